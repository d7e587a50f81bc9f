import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, type KeyObject } from 'node:crypto'

/** A key of the gateway’s own for identity tokens: ECDSA on the curve P-256. Times in ms since the epoch. */
export interface SigningKey {
  /** `kid`: the SHA-256 thumbprint of the public key (RFC 7638). */
  readonly id: string
  /** Since when it is published. */
  readonly publishedAt: number
  /** From when it signs, until the next one does. */
  readonly activeAt: number
  readonly privateKey: KeyObject
  /** What verifiers need and no more. */
  readonly publicJwk: PublicJwk
}

export interface PublicJwk {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
  readonly kid: string
  readonly alg: 'ES256'
  readonly use: 'sig'
}

export function generateSigningKey(publishedAt: number, activeAt: number): SigningKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return makeSigningKey(privateKey, publishedAt, activeAt)
}

/** Throws a `TypeError` for what is no private key of this kind. */
export function readSigningKey(pem: string, publishedAt: number, activeAt: number): SigningKey {
  return makeSigningKey(createPrivateKey(pem), publishedAt, activeAt)
}

function makeSigningKey(privateKey: KeyObject, publishedAt: number, activeAt: number): SigningKey {
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new TypeError('is not a P-256 key')
  const { x = '', y = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  // The required members in lexical order (RFC 7638 §3).
  const id = hash('sha256', JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }), 'base64url')
  const publicJwk: PublicJwk = { kty: 'EC', crv: 'P-256', x, y, kid: id, alg: 'ES256', use: 'sig' }
  return { id, publishedAt, activeAt, privateKey, publicJwk }
}

/** The key that signs at a time; before the time of all of them, as after a clock was set back, the first. `keys` in the order of `activeAt`. */
export function signerAt(keys: readonly SigningKey[], now: number): SigningKey {
  const found = keys.findLast(({ activeAt }) => activeAt <= now) ?? keys[0]
  if (found === undefined) throw new TypeError('There is no signing key')
  return found
}
