import type { OperationId } from '#core/operations.ts'
import { describe, type Principal } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'

/** Throws `policy.operation`. */
export function checkOperation(principal: Principal, operation: OperationId): void {
  const { operations } = principal.ceilings
  if (operations === null || operations.has(operation)) return
  throw new Problem('policy.operation', {
    detail: `The ${describe(principal)} may not use the operation ${operation}.`,
  })
}
