import type { VerifiedIdentity } from '#core/principal.ts'
import { checkClaims } from '#issuers/check-claims.ts'
import { readIdentifier } from '#issuers/claims.ts'
import type { Claims, CompileGrants, Issuer } from '#issuers/issuer.ts'
import { makeIdentity } from '#issuers/make-identity.ts'
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
  return makeIdentity(claims, issuer, compileGrants, endsAt)
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
  const { exp, jti } = answer
  if (exp !== undefined && !(typeof exp === 'number' && exp * 1000 + issuer.skewMs > now)) return 'token_expired'
  const subject = readIdentifier(answer, issuer.claims.subject)
  const { token } = identity
  const isSame = subject === null || subject === token?.subject
  return isSame && (jti === undefined || jti === (token?.tokenId ?? jti)) ? identity : 'introspection_other_token'
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
