import type { VerifiedIdentity } from '#core/principal.ts'
import { checkClaims } from './check-claims.ts'
import { readIdentifier } from './claims.ts'
import type { Claims, CompileGrants, Issuer } from './issuer.ts'
import { makeIdentity } from './make-identity.ts'

/** Values of `token_type` that an access token may have (RFC 6749 §7.1, RFC 9449 §5), in lower case. */
const ACCESS_TOKENS = new Set(['bearer', 'dpop'])

/** Who the bearer of an active opaque token is, by the rules that JWTs are judged by too; or in a word why it is refused. */
export function checkIntrospection(
  claims: Claims,
  issuer: Issuer,
  compileGrants: CompileGrants,
  now: number,
): VerifiedIdentity | string {
  const wrong = checkKind(claims, issuer)
  if (wrong !== null) return wrong
  const endsAt = checkClaims(claims, issuer, now)
  if (typeof endsAt === 'string') return endsAt
  return makeIdentity(claims, issuer, compileGrants, endsAt)
}

/**
 * Whether what the issuer says of a JWT that was verified is about the same token: what it repeats (RFC 7662 §2.2, all
 * optional) must say the same. The identity stays that of the JWT. A word where it does not.
 */
export function checkConfirmation(
  claims: Claims,
  issuer: Issuer,
  identity: VerifiedIdentity,
  now: number,
): VerifiedIdentity | string {
  const wrong = checkKind(claims, issuer)
  if (wrong !== null) return wrong
  const { exp } = claims
  if (exp !== undefined && (typeof exp !== 'number' || exp * 1000 + issuer.skewMs <= now)) return 'token_expired'
  const { subject, tokenId } = identity.token ?? {}
  const said = readIdentifier(claims, issuer.claims.subject)
  if (said !== null && said !== subject) return 'introspection_other_token'
  if (claims.jti !== undefined && tokenId !== null && claims.jti !== tokenId) return 'introspection_other_token'
  return identity
}

function checkKind({ iss, token_type: type }: Claims, issuer: Issuer): string | null {
  if (iss !== undefined && iss !== issuer.issuer) return 'introspection_issuer'
  if (type === undefined) return null
  return typeof type === 'string' && ACCESS_TOKENS.has(type.toLowerCase()) ? null : 'introspection_token_type'
}
