import { parseStrictJson } from '#http/strict-json.ts'
import { type DpopAlgorithm, dpopAlgorithms } from './dpop-algorithms.ts'
import { type DpopKey, readDpopKey } from './dpop-key.ts'

/** A proof of possession (RFC 9449 §4.2), taken apart: nothing of it has been verified yet. */
export interface UnverifiedProof {
  readonly algorithm: DpopAlgorithm
  readonly key: DpopKey
  readonly claims: Readonly<Record<string, unknown>>
}

/** Longest proof that is looked at, in characters: one by a key of RSA with 4096 bits is 2000. */
const MAX_PROOF_LENGTH = 4096
const MAX_DEPTH = 8
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** The one proof of a request (RFC 9449 §4.3, checks 1 to 6 but for the signature), or in a word what is wrong with it. */
export function readProof(header: string | string[] | undefined): UnverifiedProof | string {
  if (header === undefined || header === '') return 'proof_missing'
  // Repeated headers arrive joined by a comma, which no proof contains.
  if (typeof header !== 'string' || header.includes(',')) return 'proof_repeated'
  if (header.length > MAX_PROOF_LENGTH) return 'proof_too_long'
  if (!COMPACT.test(header)) return 'proof_shape'
  const [head = '', body = ''] = header.split('.')
  const protectedHeader = decode(head)
  const claims = decode(body)
  if (protectedHeader === null || claims === null) return 'proof_json'
  const { typ, alg, jwk, crit, zip, b64 } = protectedHeader
  if (typ !== 'dpop+jwt') return 'proof_type'
  if (!isAlgorithm(alg)) return 'proof_algorithm'
  // None is understood here (RFC 7515 §4.1.11), and what is compressed or not encoded is no JWT (RFC 7797 §7).
  if (crit !== undefined || zip !== undefined || b64 !== undefined) return 'proof_critical'
  const key = readDpopKey(jwk, alg)
  return typeof key === 'string' ? key : { algorithm: alg, key, claims }
}

function isAlgorithm(alg: unknown): alg is DpopAlgorithm {
  return (dpopAlgorithms as readonly unknown[]).includes(alg)
}

/** null = it is no JSON object, or could be read in two ways. */
function decode(part: string): Record<string, unknown> | null {
  try {
    return parseStrictJson(Buffer.from(part, 'base64url'), MAX_DEPTH).value
  } catch {
    return null
  }
}
