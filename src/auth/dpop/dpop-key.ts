import { hash } from 'node:crypto'
import type { DpopAlgorithm } from './dpop-algorithms.ts'

/** The public key in a proof, with nothing but the members that make it the key it is (RFC 7638 §3.2). */
export interface DpopKey {
  readonly jwk: Readonly<Record<string, string>>
  /** SHA-256 of those members, base64url (RFC 7638). */
  readonly thumbprint: string
}

/** What a key for an algorithm must be. Coordinates have one length, so that a key has one way to be written. */
interface Shape {
  readonly kty: string
  readonly crv?: string
  /** Member → what its text looks like; in the order of RFC 7638. */
  readonly members: Readonly<Record<string, RegExp>>
}

const BYTES_32 = /^[A-Za-z0-9_-]{43}$/
const BYTES_48 = /^[A-Za-z0-9_-]{64}$/
const p256: Shape = { kty: 'EC', crv: 'P-256', members: { x: BYTES_32, y: BYTES_32 } }
const p384: Shape = { kty: 'EC', crv: 'P-384', members: { x: BYTES_48, y: BYTES_48 } }
const ed25519: Shape = { kty: 'OKP', crv: 'Ed25519', members: { x: BYTES_32 } }
// 2048 to 4096 bits, and the one exponent that is in use: a large one would make each check dear.
const rsa: Shape = { kty: 'RSA', members: { e: /^AQAB$/, n: /^[A-Za-z0-9_-]{342,683}$/ } }

const SHAPES: Readonly<Record<DpopAlgorithm, Shape>> = {
  ES256: p256,
  ES384: p384,
  EdDSA: ed25519,
  Ed25519: ed25519,
  PS256: rsa,
  RS256: rsa,
}

/** Members that only private and symmetric keys have (RFC 7518 §6). */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** The key of a proof with this algorithm, or in a word what is wrong with it. */
export function readDpopKey(jwk: unknown, algorithm: DpopAlgorithm): DpopKey | string {
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) return 'proof_key'
  const given = jwk as Record<string, unknown>
  if (PRIVATE.some(name => Object.hasOwn(given, name))) return 'proof_private_key'
  const { kty, crv, members } = SHAPES[algorithm]
  if (given.kty !== kty || given.crv !== crv) return 'proof_key'
  if (given.alg !== undefined && given.alg !== algorithm) return 'proof_key'
  if (given.use !== undefined && given.use !== 'sig') return 'proof_key'
  const key: Record<string, string> = crv === undefined ? {} : { crv }
  // The order is that of RFC 7638 §3.3, by name: crv, e, kty, n, x, y.
  for (const [name, pattern] of Object.entries(members)) {
    const value = given[name]
    if (typeof value !== 'string' || !pattern.test(value)) return 'proof_key'
    if (name > 'kty') key.kty = kty
    key[name] = value
  }
  return { jwk: key, thumbprint: hash('sha256', JSON.stringify(key), 'base64url') }
}
