import type { Action } from '#core/action.ts'
import { describe, type Principal } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'

/** Throws `policy.scope`, with the challenge that names all that is missing (RFC 6750 §3). */
export function checkScope(principal: Principal, action: Action): void {
  const { scopes } = principal.ceilings
  if (scopes === null || action.scopes.every(scope => scopes.has(scope))) return
  const missing = action.scopes.filter(scope => !scopes.has(scope))
  const named = missing.length === 1 ? `scope ${missing[0]}` : `scopes ${missing.join(', ')}`
  throw new Problem('policy.scope', {
    detail: `The ${describe(principal)} lacks the ${named}.`,
    headers: { 'www-authenticate': `Bearer realm="ostiary", error="insufficient_scope", scope="${missing.join(' ')}"` },
  })
}
