import type { Claims, Issuer } from './issuer.ts'
import type { TokenFault } from './token-faults.ts'

/** What a header says that matters: keys that it brings along or points to (`jwk`, `x5c`, `jku`, `x5u`) are never looked at. */
export interface TokenHeader {
  readonly algorithm: string
  readonly keyId: string | null
  /** `typ` in lower case, without `application/`; null = there is none. */
  readonly type: string | null
}

const MAX_KEY_ID_LENGTH = 256

/** The header of a token of this issuer (RFC 7515 §4.1), or what is wrong with it. */
export function checkHeader(
  { alg, typ, kid, crit, zip, b64 }: Claims,
  issuer: Pick<Issuer, 'algorithms' | 'types'>,
): TokenHeader | TokenFault {
  if (typeof alg !== 'string' || !issuer.algorithms.has(alg)) return 'token_algorithm'
  if (typ !== undefined && typeof typ !== 'string') return 'token_type'
  const type = typ === undefined ? null : typ.toLowerCase().replace(/^application\//, '')
  if (!issuer.types.has(type)) return 'token_type'
  // None is understood here (RFC 7515 §4.1.11), and what is compressed or not encoded is no JWT (RFC 7797 §7).
  if (crit !== undefined || zip !== undefined || b64 !== undefined) return 'token_critical'
  if (kid !== undefined && (typeof kid !== 'string' || kid === '' || kid.length > MAX_KEY_ID_LENGTH)) {
    return 'token_key_id'
  }
  return { algorithm: alg, keyId: kid ?? null, type }
}
