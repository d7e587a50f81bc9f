import { isDeepStrictEqual } from 'node:util'
import type { VerifiedIdentity } from '#core/principal.ts'
import { checkClaims, hasAudience, isTime } from '#issuers/check-claims.ts'
import { readIdentifier } from '#issuers/claims.ts'
import type { Claims, CompileGrants, Issuer } from '#issuers/issuer.ts'
import { bindingOf, makeIdentity } from '#issuers/make-identity.ts'
import type { TokenFault } from '#issuers/token-faults.ts'

/** What can be wrong with a token that an issuer was asked about, by the word that its event records. */
export type IntrospectionFault =
  | TokenFault
  | 'introspection_inactive'
  | 'introspection_issuer'
  | 'introspection_token_type'
  /** The answer is about another token than the one that was verified. */
  | 'introspection_other_token'

/**
 * Values of `token_type` that an access token may have (RFC 6749 §7.1, RFC 9449 §5), in lower case; some servers say what
 * it is good for instead of how it is shown.
 */
const ACCESS_TOKENS = new Set(['bearer', 'dpop', 'access_token'])
/** Values of `token_use`, in which Ory Hydra tells its refresh tokens from access tokens. */
const ACCESS_USES = new Set<unknown>([undefined, 'access_token', 'access'])

/** Who the bearer of an active opaque token is, by the rules that JWTs are judged by too; or why it is refused. */
export function checkIntrospection(
  answer: Claims,
  issuer: Issuer,
  compileGrants: CompileGrants,
  now: number,
): VerifiedIdentity | IntrospectionFault {
  const claims = asToken(answer, issuer)
  const fault =
    checkOrigin(claims, issuer) ?? (claims.token_type === undefined ? issuer.preset.checkKind(claims) : null)
  if (fault !== null) return fault
  const endsAt = checkClaims(claims, issuer, now)
  if (typeof endsAt === 'string') return endsAt
  const identity = makeIdentity(claims, issuer, compileGrants, endsAt)
  return typeof identity !== 'string' && lacksKey(claims, identity) ? 'token_confirmation' : identity
}

/**
 * Whether what the issuer says of a JWT that was verified is about the same token: what it repeats (RFC 7662 §2.2, all
 * optional) must say the same. The identity stays that of the JWT.
 */
export function checkConfirmation(
  answer: Claims,
  issuer: Issuer,
  identity: VerifiedIdentity,
  now: number,
): VerifiedIdentity | IntrospectionFault {
  const fault = checkOrigin(answer, issuer)
  if (fault !== null) return fault
  const { exp, nbf, aud } = answer
  if (exp !== undefined && !(isTime(exp) && exp * 1000 + issuer.skewMs > now)) return 'token_expired'
  if (nbf !== undefined && !(isTime(nbf) && nbf * 1000 <= now + issuer.skewMs)) return 'token_not_yet_valid'
  if (aud !== undefined && !hasAudience(aud, issuer)) return 'token_audience'
  if (lacksKey(answer, identity)) return 'token_confirmation'
  return isAbout(answer, issuer, identity) ? identity : 'introspection_other_token'
}

/** Whether what an answer repeats of a token is what the token itself says. */
function isAbout(answer: Claims, issuer: Issuer, { token, binding }: VerifiedIdentity): boolean {
  const { jti, client_id: client, cnf } = answer
  const subject = readIdentifier(answer, issuer.claims.subject)
  if (subject !== null && subject !== token?.subject) return false
  if (jti !== undefined && jti !== (token?.tokenId ?? jti)) return false
  if (client !== undefined && client !== (token?.client ?? client)) return false
  return cnf === undefined || isDeepStrictEqual(bindingOf(cnf), binding)
}

/** Whether a token is said to be bound to a DPoP key (RFC 9449 §5), and not to which. */
function lacksKey({ token_type: type }: Claims, { binding }: VerifiedIdentity): boolean {
  return typeof type === 'string' && type.toLowerCase() === 'dpop' && binding?.kind !== 'dpop'
}

/** What the answer says must be an access token of this issuer, where it says so at all. */
function checkOrigin({ iss, token_type: type, token_use: use }: Claims, issuer: Issuer): IntrospectionFault | null {
  if (iss !== undefined && iss !== issuer.issuer) return 'introspection_issuer'
  if (!ACCESS_USES.has(use)) return 'introspection_token_type'
  if (type === undefined) return null
  return typeof type === 'string' && ACCESS_TOKENS.has(type.toLowerCase()) ? null : 'introspection_token_type'
}

/**
 * The claims as a JWT of the issuer would say them: here the client is always `client_id`, and nobody as the subject means
 * the client itself, as in a JWT (RFC 9068 §2.2), unless the answer names a person (`username`, RFC 7662 §2.2).
 */
function asToken(answer: Claims, { claims: names }: Issuer): Claims {
  const { client_id: client } = answer
  if (client === undefined) return answer
  const missing = names.client.filter(name => !name.startsWith('/') && answer[name] === undefined)
  const isOfNobody = answer.sub === undefined && answer.username === undefined
  if (isOfNobody && names.subject.includes('sub')) missing.push('sub')
  return { ...answer, ...Object.fromEntries(missing.map(name => [name, client])) }
}
