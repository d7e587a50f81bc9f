import type { Clock } from '#core/clock.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'

/** How, and how recently, people must have proved who they are to their issuer. */
export interface AuthenticationRequirement {
  /** Authentication context classes (`acr`) of which one is asked for; none = any. */
  readonly acrValues: readonly string[]
  /** Since `auth_time`, in seconds; null = any time. */
  readonly maxAgeSeconds: number | null
}

/** The refusal of a token of a person whose authentication is too weak or too old; null = it will do. Asked at each call. */
export type CheckAuthentication = (identity: VerifiedIdentity) => Problem | null

/**
 * Refuses such tokens with the challenge that asks for a better login (RFC 9470 §3). `requirements` by the issuer's name in the
 * configuration. Programs do not log in.
 */
export function createAuthenticationCheck(
  requirements: ReadonlyMap<string, AuthenticationRequirement>,
  clock: Clock,
): CheckAuthentication {
  const challenges = new Map([...requirements].map(([name, requirement]) => [name, challenge(requirement)]))
  return ({ id, kind, token }) => {
    if (token === null || kind !== 'user') return null
    const requirement = requirements.get(token.issuer)
    if (requirement === undefined) return null
    const { acrValues, maxAgeSeconds } = requirement
    const { acr, authenticatedAt } = token
    const isStrong = acrValues.length === 0 || (acr !== null && acrValues.includes(acr))
    const isRecent =
      maxAgeSeconds === null || (authenticatedAt !== null && clock() - authenticatedAt <= maxAgeSeconds * 1000)
    if (isStrong && isRecent) return null
    const reason = isStrong ? 'authentication_too_old' : 'authentication_too_weak'
    return new Problem('auth.insufficient_authentication', {
      reason,
      credential: id,
      challenge: challenges.get(token.issuer) as string,
    })
  }
}

function challenge({ acrValues, maxAgeSeconds }: AuthenticationRequirement): string {
  const parameters = [
    'error="insufficient_user_authentication"',
    'error_description="A stronger or more recent authentication is required"',
  ]
  if (acrValues.length > 0) parameters.push(`acr_values="${acrValues.join(' ')}"`)
  if (maxAgeSeconds !== null) parameters.push(`max_age="${maxAgeSeconds}"`)
  return parameters.join(', ')
}
