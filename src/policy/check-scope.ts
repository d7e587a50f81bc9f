import type { Action } from '#core/action.ts'
import { describe, type Principal, type VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'

/** Throws `policy.scope`, with the challenge that names all that is missing (RFC 6750 §3). */
export function checkScope(principal: Principal, action: Action): void {
  const refusal = scopeRefusal(principal, action)
  if (refusal !== null) throw refusal
}

/** What `checkScope` throws; null = nothing. */
export function scopeRefusal(principal: VerifiedIdentity, action: Action): Problem | null {
  const missing = missingScopes(principal, action)
  if (missing.length === 0) return null
  const named = missing.length === 1 ? `scope ${missing[0]}` : `scopes ${missing.join(', ')}`
  return new Problem('policy.scope', {
    detail: `The ${describe(principal)} lacks the ${named}.`,
    headers: { 'www-authenticate': `Bearer realm="ostiary", error="insufficient_scope", scope="${missing.join(' ')}"` },
  })
}

/** Those of the action’s scopes that the credential does not name, if it is bounded by scopes. */
export function missingScopes({ ceilings: { scopes } }: VerifiedIdentity, action: Action): readonly string[] {
  return scopes === null ? [] : action.scopes.filter(scope => !scopes.has(scope))
}
