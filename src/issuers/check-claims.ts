import { holds } from './claims.ts'
import type { Claims, Issuer } from './issuer.ts'
import type { TokenFault } from './token-faults.ts'

const MAX_SECONDS = 2 ** 40

/** When a token with these claims ends, in ms since the epoch; or what is wrong with them at `now` (RFC 7519 §4.1). */
export function checkClaims(claims: Claims, issuer: Issuer, now: number): number | TokenFault {
  const times = readTimes(claims)
  if (typeof times === 'string') return times
  const { exp, nbf, iat } = times
  const endsAt = exp + issuer.skewMs
  if (endsAt <= now) return 'token_expired'
  if (nbf !== null && nbf > now + issuer.skewMs) return 'token_not_yet_valid'
  if (iat !== null && iat > now + issuer.skewMs) return 'token_issued_in_future'
  if (exp - (iat ?? now) > issuer.maxLifetimeMs) return 'token_lifetime'
  if (!hasAudience(claims.aud, issuer)) return 'token_audience'
  for (const [name, value] of issuer.requiredClaims) if (!holds(claims, name, value)) return 'token_required_claim'
  return issuer.preset.check(claims, issuer) ?? endsAt
}

/** In ms since the epoch. */
interface Times {
  readonly exp: number
  readonly nbf: number | null
  readonly iat: number | null
}

function readTimes({ exp, nbf, iat }: Claims): Times | TokenFault {
  if (exp === undefined) return 'token_no_expiry'
  if (!isTime(exp) || (nbf !== undefined && !isTime(nbf)) || (iat !== undefined && !isTime(iat))) return 'token_time'
  if (exp <= (nbf ?? -1) || exp <= (iat ?? -1)) return 'token_time'
  return { exp: exp * 1000, nbf: nbf === undefined ? null : nbf * 1000, iat: iat === undefined ? null : iat * 1000 }
}

export function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < MAX_SECONDS
}

/** RFC 7519 §4.1.3: a text, or a list of texts. */
export function hasAudience(aud: unknown, { audience, clientIds }: Issuer): boolean {
  // Whose tokens name nobody are for the clients that are listed; the configuration allows it for such providers only.
  if (audience.size === 0) return clientIds !== null && aud === undefined
  if (typeof aud === 'string') return audience.has(aud)
  if (!Array.isArray(aud) || !aud.every(one => typeof one === 'string')) return false
  return aud.some(one => audience.has(one))
}
