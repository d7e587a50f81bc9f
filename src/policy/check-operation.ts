import type { Action } from '#core/action.ts'
import { describe, type Principal } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'

/** Throws `policy.operation`. */
export function checkOperation(principal: Principal, { id }: Action): void {
  const { operations } = principal.ceilings
  if (operations === null || operations.has(id)) return
  throw new Problem('policy.operation', {
    detail: `The ${describe(principal)} may not use the operation ${id}.`,
  })
}
