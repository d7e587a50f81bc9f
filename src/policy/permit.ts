import type { Action } from '#core/action.ts'
import type { Principal } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import type { Admitted } from './check-address.ts'
import { checkOperation, mayUseOperation } from './check-operation.ts'
import { checkRequirements, meets, type Requirement } from './check-requirements.ts'
import { checkScope, missingScopes } from './check-scope.ts'

declare const permitted: unique symbol

/** A principal whose credential reaches far enough for the action they ask for, and who is what it asks for. Made here only. */
export type Permitted = Admitted & { readonly [permitted]: true }

/** What is checked before the body is read, in this order. */
const checks: readonly ((principal: Principal, action: Action) => void)[] = [checkScope, checkOperation]

/** What an action asks of its callers, whatever their credential reaches. */
export interface Admission {
  /** From where; null = from anywhere. */
  readonly allowsAddress: ((address: string) => boolean) | null
  /** What they must be, all of it. */
  readonly requirements: readonly Requirement[]
}

/** Where and when a call is made: address of the client, ms since the epoch. */
interface Origin {
  readonly source: string
  readonly at: number
}

/** Throws `policy.scope`, `policy.operation`, `policy.address` and what `checkRequirements` throws. */
export function permit(
  principal: Admitted,
  action: Action,
  { allowsAddress, requirements }: Admission,
  { source, at }: Origin,
): Permitted {
  for (const check of checks) check(principal, action)
  const refusal = originRefusal(action, { allowsAddress }, source)
  if (refusal !== null) throw refusal
  checkRequirements(principal, requirements, at)
  return principal as Permitted
}

/** What a call from this address is answered, whoever makes it; null = nothing. */
export function originRefusal(
  { id }: Action,
  { allowsAddress }: Pick<Admission, 'allowsAddress'>,
  source: string,
): Problem | null {
  if (allowsAddress === null || allowsAddress(source)) return null
  return new Problem('policy.address', {
    detail: `The operation ${id} may not be used from ${source}.`,
    reason: 'access_operation',
  })
}

/** Whether `permit` would let a principal through. */
export function allows(
  principal: Principal,
  action: Action,
  { allowsAddress, requirements }: Admission,
  { source, at }: Origin,
): boolean {
  if (missingScopes(principal, action).length > 0 || !mayUseOperation(principal, action)) return false
  if (allowsAddress !== null && !allowsAddress(source)) return false
  return requirements.every(requirement => meets(principal, requirement, at))
}
