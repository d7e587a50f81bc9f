import type { Action } from '#core/action.ts'
import type { Principal } from '#core/principal.ts'
import type { Admitted } from './check-address.ts'
import { checkOperation } from './check-operation.ts'
import { checkRequirements, type Requirement } from './check-requirements.ts'
import { checkScope } from './check-scope.ts'

declare const permitted: unique symbol

/** A principal whose credential reaches far enough for the action they ask for, and who is what it asks for. Made here only. */
export type Permitted = Admitted & { readonly [permitted]: true }

/** What is checked before the body is read, in this order. */
const checks: readonly ((principal: Principal, action: Action) => void)[] = [checkScope, checkOperation]

/**
 * Throws `policy.scope`, `policy.operation` and, where the action asks for another kind of caller, what `checkRequirements` throws.
 * `now` in ms since the epoch.
 */
export function permit(
  principal: Admitted,
  action: Action,
  requirements: readonly Requirement[],
  now: number,
): Permitted {
  for (const check of checks) check(principal, action)
  checkRequirements(principal, requirements, now)
  return principal as Permitted
}
