import type { Action } from '#core/action.ts'
import { describe, type Principal, type VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'

/** Throws `policy.operation`. */
export function checkOperation(principal: Principal, action: Action): void {
  const refusal = operationRefusal(principal, action)
  if (refusal !== null) throw refusal
}

/** What `checkOperation` throws; null = nothing. */
export function operationRefusal(principal: VerifiedIdentity, action: Action): Problem | null {
  if (mayUseOperation(principal, action)) return null
  return new Problem('policy.operation', {
    detail: `The ${describe(principal)} may not use the operation ${action.id}.`,
  })
}

export function mayUseOperation({ ceilings: { operations } }: VerifiedIdentity, { id }: Action): boolean {
  return operations === null || operations.has(id)
}
