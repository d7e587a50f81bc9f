import { holds } from './claims.ts'
import type { Claims, Issuer } from './issuer.ts'

const MAX_SECONDS = 2 ** 40

/** When a token with these claims ends, in ms since the epoch; or in a word what is wrong with them at `now`. */
export function checkClaims(claims: Claims, issuer: Issuer, now: number): number | string {
  const { exp, nbf, iat } = claims
  if (!isTime(exp)) return 'token_no_expiry'
  if ((nbf !== undefined && !isTime(nbf)) || (iat !== undefined && !isTime(iat))) return 'token_time'
  const endsAt = exp * 1000 + issuer.skewMs
  if (endsAt <= now) return 'token_expired'
  if (nbf !== undefined && nbf * 1000 > now + issuer.skewMs) return 'token_not_yet_valid'
  if (iat !== undefined && iat * 1000 > now + issuer.skewMs) return 'token_issued_in_future'
  if (exp * 1000 - (iat === undefined ? now : iat * 1000) > issuer.maxLifetimeMs) return 'token_lifetime'
  if (!hasAudience(claims.aud, issuer)) return 'token_audience'
  for (const [name, value] of issuer.requiredClaims) if (!holds(claims, name, value)) return 'token_required_claim'
  return issuer.preset.check(claims, issuer) ?? endsAt
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < MAX_SECONDS
}

/** RFC 7519 §4.1.3: a text, or a list of texts. */
function hasAudience(aud: unknown, { audience }: Issuer): boolean {
  if (typeof aud === 'string') return audience.has(aud)
  return Array.isArray(aud) && aud.some(one => typeof one === 'string' && audience.has(one))
}
