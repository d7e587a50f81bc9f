import { type OperationId, operationScopes } from '#core/operations.ts'
import { describe, type Principal } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'

/** Throws `policy.scope`, with the challenge that names what is missing (RFC 6750 §3). */
export function checkScope(principal: Principal, operation: OperationId): void {
  const { scopes } = principal.ceilings
  const scope = operationScopes[operation]
  if (scopes === null || scopes.has(scope)) return
  throw new Problem('policy.scope', {
    detail: `The ${describe(principal)} lacks the scope ${scope}.`,
    headers: { 'www-authenticate': `Bearer realm="ostiary", error="insufficient_scope", scope="${scope}"` },
  })
}
