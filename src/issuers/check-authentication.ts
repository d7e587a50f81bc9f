import type { Clock } from '#core/clock.ts'
import { type AuthenticationRequirement, loginFault, stepUpChallenge } from '#core/login-strength.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'

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
  const challenges = new Map([...requirements].map(([name, requirement]) => [name, stepUpChallenge(requirement)]))
  return ({ id, kind, token }) => {
    if (token === null || kind !== 'user') return null
    const requirement = requirements.get(token.issuer)
    if (requirement === undefined) return null
    const reason = loginFault(requirement, token, clock())
    if (reason === null) return null
    return new Problem('auth.insufficient_authentication', {
      reason,
      credential: id,
      challenge: challenges.get(token.issuer) as string,
    })
  }
}
