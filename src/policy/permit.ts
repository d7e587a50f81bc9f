import type { OperationId } from '#core/operations.ts'
import type { Principal } from '#core/principal.ts'
import type { Admitted } from './check-address.ts'
import { checkOperation } from './check-operation.ts'
import { checkScope } from './check-scope.ts'

declare const permitted: unique symbol

/** A principal who may use the operation they ask for. Made here only. */
export type Permitted = Admitted & { readonly [permitted]: true }

/** What is checked before the body is read, in this order. */
const checks: readonly ((principal: Principal, operation: OperationId) => void)[] = [checkScope, checkOperation]

/** Throws `policy.scope` and `policy.operation`. */
export function permit(principal: Admitted, operation: OperationId): Permitted {
  for (const check of checks) check(principal, operation)
  return principal as Permitted
}
