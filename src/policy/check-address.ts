import { describe, type Principal, type VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'

declare const admitted: unique symbol

/** A principal who may speak from where they speak. Made here only. */
export type Admitted = Principal & { readonly [admitted]: true }

/** Throws `policy.address`. `source` is the address of the client. */
export function checkAddress(principal: Principal, source: string): Admitted {
  const refusal = addressRefusal(principal, source)
  if (refusal !== null) throw refusal
  return principal as Admitted
}

/** What `checkAddress` throws; null = nothing. */
export function addressRefusal(principal: VerifiedIdentity, source: string): Problem | null {
  const allows = principal.ceilings.allowsAddress
  if (allows === null || allows(source)) return null
  return new Problem('policy.address', { detail: `The ${describe(principal)} may not be used from ${source}.` })
}
