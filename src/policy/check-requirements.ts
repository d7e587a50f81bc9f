import { type AuthenticationRequirement, describeLogin, loginFault, stepUpChallenge } from '#core/login-strength.ts'
import { type Binding, describe, type Principal, type VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'

/** One way of being good enough for an operation. What is null is not asked about. */
export interface Alternative extends AuthenticationRequirement {
  readonly kinds: ReadonlySet<VerifiedIdentity['kind']> | null
  /** Names of issuers whose tokens will do. */
  readonly issuers: ReadonlySet<string> | null
  /** Of which the caller has one. */
  readonly roles: ReadonlySet<string> | null
  /** With what the sender proves that the credential is theirs. */
  readonly bindings: ReadonlySet<Binding['kind']> | null
}

/** Alternatives, of which the caller must fit one. */
export type Requirement = readonly Alternative[]

/**
 * Throws `policy.requirement` where a requirement has no alternative that the caller fits, and
 * `auth.insufficient_authentication` where a better login is all that is missing (RFC 9470). `now` in ms since the epoch.
 */
export function checkRequirements(principal: Principal, requirements: readonly Requirement[], now: number): void {
  const refusal = findRefusal(principal, requirements, now)
  if (refusal !== null) throw refusal
}

/** What `checkRequirements` throws; null = nothing. */
export function findRefusal(
  principal: VerifiedIdentity,
  requirements: readonly Requirement[],
  now: number,
): Problem | null {
  const missed = requirements.find(alternatives => !meets(principal, alternatives, now))
  return missed === undefined ? null : refusal(principal, missed, now)
}

/** Whether a principal fits one of the alternatives. */
export function meets(principal: VerifiedIdentity, requirement: Requirement, now: number): boolean {
  return requirement.some(alternative => fits(principal, alternative, now))
}

function fits(principal: VerifiedIdentity, alternative: Alternative, now: number): boolean {
  return fitsButForLogin(principal, alternative) && faultOf(principal, alternative, now) === null
}

function fitsButForLogin(principal: VerifiedIdentity, { kinds, issuers, roles, bindings }: Alternative): boolean {
  const { kind, token, binding } = principal
  if (kinds !== null && !kinds.has(kind)) return false
  if (issuers !== null && (token === null || !issuers.has(token.issuer))) return false
  if (roles !== null && !principal.roles.some(role => roles.has(role))) return false
  return bindings === null || (binding !== null && bindings.has(binding.kind))
}

/** Whoever logged in nowhere, as keys and programs, has no strength of a login that would do. */
function faultOf({ kind, token }: VerifiedIdentity, alternative: Alternative, now: number) {
  const login = kind === 'user' && token !== null ? token : { acr: null, authenticatedAt: null }
  return loginFault(alternative, login, now)
}

function refusal(principal: VerifiedIdentity, alternatives: Requirement, now: number): Problem {
  const stepUp = alternatives.find(alternative => principal.kind === 'user' && fitsButForLogin(principal, alternative))
  if (stepUp !== undefined) {
    return new Problem('auth.insufficient_authentication', {
      detail: `This operation asks for ${describeLogin(stepUp).join(' and ')}.`,
      reason: faultOf(principal, stepUp, now) ?? 'authentication_too_weak',
      credential: principal.id,
      challenge: stepUpChallenge(stepUp),
    })
  }
  const asked = alternatives.map(words).join('; or ')
  return new Problem('policy.requirement', {
    detail: `The ${describe(principal)} is not enough for this operation, which asks for ${asked}.`,
  })
}

const KINDS = { api_key: 'an API key', user: 'a token of a person', service: 'a token of a program' } as const
const BINDINGS = { dpop: 'a DPoP key', certificate: 'a client certificate' } as const

function words({ kinds, issuers, roles, bindings, ...login }: Alternative): string {
  const parts = [kinds === null ? 'a credential' : [...kinds].map(kind => KINDS[kind]).join(' or ')]
  if (issuers !== null) parts.push(`of the issuer ${[...issuers].join(' or ')}`)
  if (roles !== null) parts.push(`with the role ${[...roles].join(' or ')}`)
  if (bindings !== null) parts.push(`bound to ${[...bindings].map(binding => BINDINGS[binding]).join(' or ')}`)
  return [...parts, ...describeLogin(login).map(asked => `after ${asked}`)].join(' ')
}
