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

type Verdict = VerifiedIdentity | Problem | null
type Verify = (credential: string, source: string) => Verdict | Promise<Verdict>

/**
 * Refuses tokens of people whose authentication is too weak or too old for their issuer's requirement, with the challenge that
 * asks for a better one (RFC 9470 §3). `requirements` by the issuer's name in the configuration. Programs do not log in.
 */
export function requireAuthentication(
  verify: Verify,
  requirements: ReadonlyMap<string, AuthenticationRequirement>,
  clock: Clock,
): Verify {
  if (requirements.size === 0) return verify
  const refusals = new Map([...requirements].map(([name, requirement]) => [name, challenge(requirement)]))
  const judge = (verdict: Verdict): Verdict => {
    if (verdict === null || verdict instanceof Problem || verdict.kind !== 'user' || verdict.token === null)
      return verdict
    const { issuer, acr, authenticatedAt } = verdict.token
    const requirement = requirements.get(issuer)
    if (requirement === undefined) return verdict
    const { acrValues, maxAgeSeconds } = requirement
    const isStrong = acrValues.length === 0 || (acr !== null && acrValues.includes(acr))
    const isRecent =
      maxAgeSeconds === null || (authenticatedAt !== null && clock() - authenticatedAt <= maxAgeSeconds * 1000)
    return isStrong && isRecent ? verdict : (refusals.get(issuer) as Problem)
  }
  return (credential, source) => {
    const verdict = verify(credential, source)
    return verdict instanceof Promise ? verdict.then(judge) : judge(verdict)
  }
}

function challenge({ acrValues, maxAgeSeconds }: AuthenticationRequirement): Problem {
  const parameters = [
    'error="insufficient_user_authentication"',
    'error_description="A stronger or more recent authentication is required"',
  ]
  if (acrValues.length > 0) parameters.push(`acr_values="${acrValues.join(' ')}"`)
  if (maxAgeSeconds !== null) parameters.push(`max_age="${maxAgeSeconds}"`)
  return new Problem('auth.insufficient_authentication', { challenge: parameters.join(', ') })
}
