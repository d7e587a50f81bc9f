import type { Action } from '#core/action.ts'
import { describe, type Principal, type VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'

/** Throws `policy.operation`. */
export function checkOperation(principal: Principal, action: Action): void {
  if (mayUseOperation(principal, action)) return
  throw new Problem('policy.operation', {
    detail: `The ${describe(principal)} may not use the operation ${action.id}.`,
  })
}

export function mayUseOperation({ ceilings: { operations } }: VerifiedIdentity, { id }: Action): boolean {
  return operations === null || operations.has(id)
}
