import { createPublicKey, type KeyObject } from 'node:crypto'

// A private key would be read as its public half; it belongs into nothing that is no secret.
export const P256_PEM =
  '^-----BEGIN PUBLIC KEY-----\\r?\\n[A-Za-z0-9+/=\\r\\n]{1,800}-----END PUBLIC KEY-----[\\r\\n]*$'
const PEM = new RegExp(P256_PEM)

/** Reads a public key of ECDSA on the curve P-256 from PEM (RFC 7468 §13); null = it is none. */
export function readP256Key(pem: string): KeyObject | null {
  if (!PEM.test(pem)) return null
  try {
    const key = createPublicKey(pem)
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? key : null
  } catch {
    return null
  }
}
