import type { Claims, Issuer } from './issuer.ts'

/** What a header says that matters: the rest (`jku`, `jwk`, `x5u`, `x5c`) is never looked at. */
export interface TokenHeader {
  readonly algorithm: string
  readonly keyId: string | null
}

const MAX_KEY_ID_LENGTH = 256

/** The header of a token of this issuer (RFC 7515 §4.1), or in a word what is wrong with it. */
export function checkHeader(header: Claims, issuer: Issuer): TokenHeader | string {
  const { alg, typ, kid } = header
  if (typeof alg !== 'string' || !issuer.algorithms.has(alg)) return 'token_algorithm'
  if (typeof typ !== 'string' || !issuer.types.has(typ.toLowerCase().replace(/^application\//, ''))) return 'token_type'
  // None is understood here (RFC 7515 §4.1.11), and what is compressed or not encoded is no JWT (RFC 7797 §7).
  if (header.crit !== undefined || header.zip !== undefined || header.b64 !== undefined) return 'token_critical'
  if (kid !== undefined && (typeof kid !== 'string' || kid === '' || kid.length > MAX_KEY_ID_LENGTH)) {
    return 'token_key_id'
  }
  return { algorithm: alg, keyId: kid ?? null }
}
