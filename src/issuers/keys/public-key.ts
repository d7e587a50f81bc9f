import { createHash, createPublicKey } from 'node:crypto'
import type { Finding } from '#issuers/review/finding.ts'
import { hasRocaFingerprint } from './roca-fingerprint.ts'

/** A key that an issuer publishes, as far as it may be used; crosses threads. */
export interface PublicKey {
  /** SHA-256 thumbprint (RFC 7638), base64url: the key by itself, whatever its name. */
  readonly thumbprint: string
  /** `kid`; null = it has none. */
  readonly keyId: string | null
  /** Those that it may verify: its `alg`, else all that fit its type. */
  readonly algorithms: readonly string[]
  /** `RSA 2048`, `P-256`, … */
  readonly kind: string
  /** The public members that its type needs (RFC 7518 §6), and no other. */
  readonly jwk: KeyMaterial
}

export type KeyMaterial = Readonly<Record<string, string>> & { readonly kty: string }

const MAX_KEY_ID_LENGTH = 256

const MIN_RSA_BITS = 2048
/** A longer one makes each verification dear. */
const MAX_RSA_BITS = 8192
const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
/** RFC 7518 §3.4, RFC 8037 §3.1, RFC 9864 §2.2. */
const CURVES: Readonly<Record<string, { readonly type: string; readonly algorithms: readonly string[] }>> = {
  'P-256': { type: 'EC', algorithms: ['ES256'] },
  'P-384': { type: 'EC', algorithms: ['ES384'] },
  'P-521': { type: 'EC', algorithms: ['ES512'] },
  Ed25519: { type: 'OKP', algorithms: ['EdDSA', 'Ed25519'] },
}
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']
const BASE64URL = /^[A-Za-z0-9_-]+$/

/** A key of a JWK set (RFC 7517 §4) that may verify signatures of tokens; else what stands against it. */
export function readPublicKey(jwk: unknown, shown: string): PublicKey | Finding {
  if (typeof jwk !== 'object' || jwk === null) return leaveOut(shown, 'is no JSON object')
  const { kty, use, key_ops: operations, alg, kid } = jwk as Readonly<Record<string, unknown>>
  if (kty === 'oct') {
    return bad(
      'symmetric_key_published',
      `${shown} is a shared secret that everyone can read. It is not used; withdraw it.`,
    )
  }
  if (PRIVATE_MEMBERS.some(name => Object.hasOwn(jwk, name))) {
    return bad(
      'private_key_published',
      `${shown} is published with its private part: anyone can sign with it. It is not used; withdraw it and revoke what it signed.`,
    )
  }
  if (kid !== undefined && (typeof kid !== 'string' || kid === '' || kid.length > MAX_KEY_ID_LENGTH)) {
    return leaveOut(shown, `has a \`kid\` that is not a text of 1 to ${MAX_KEY_ID_LENGTH} characters`)
  }
  if (use !== undefined && use !== 'sig')
    return { level: 'info', code: 'key_of_other_use', text: `${shown} is not for signatures.` }
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
    return { level: 'info', code: 'key_of_other_use', text: `${shown} is not for verifying: see its \`key_ops\`.` }
  }
  const material = readMaterial(jwk as Members)
  if (typeof material === 'string') return leaveOut(shown, material)
  const algorithms = alg === undefined ? material.algorithms : material.algorithms.filter(name => name === alg)
  if (algorithms.length === 0)
    return leaveOut(
      shown,
      `is for ${JSON.stringify(alg)?.slice(0, 40)}, which is no signature that its type can verify`,
    )
  return { keyId: kid ?? null, thumbprint: thumbprintOf(material.jwk), ...material, algorithms }
}

type Material = Pick<PublicKey, 'algorithms' | 'kind' | 'jwk'>
type Members = Readonly<Record<string, unknown>>

/** The key's own numbers, checked; or in words what is wrong with them. */
function readMaterial({ kty, n, e, crv, x, y }: Members): Material | string {
  if (kty === 'RSA') return readRsa(n, e)
  const name = String(crv)
  const curve = Object.hasOwn(CURVES, name) ? CURVES[name] : undefined
  if (curve === undefined || curve.type !== kty) return 'is of a type that is not known here'
  const jwk = open(kty === 'EC' ? { kty, crv, x, y } : { kty, crv, x })
  return jwk === null ? 'is no point of its curve' : { algorithms: curve.algorithms, kind: name, jwk }
}

function readRsa(n: unknown, e: unknown): Material | string {
  const [modulus, exponent] = [toNumber(n), toNumber(e)]
  if (modulus === null || exponent === null) return 'has no modulus and exponent'
  const bits = modulus.toString(2).length
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) {
    return `has ${bits} bits; at least ${MIN_RSA_BITS} are needed (RFC 7518 §3.3), at most ${MAX_RSA_BITS} are taken`
  }
  // With 1, anything is its own signature.
  if (exponent < 3n || exponent % 2n === 0n || exponent >= 2n ** 32n) return 'has an exponent that protects nothing'
  if (hasRocaFingerprint(modulus)) return 'was made by a library whose keys can be factored (ROCA, CVE-2017-15361)'
  const jwk = open({ kty: 'RSA', n, e })
  return jwk === null ? 'cannot be read' : { algorithms: RSA, kind: `RSA ${bits}`, jwk }
}

function toNumber(text: unknown): bigint | null {
  if (typeof text !== 'string' || text.length > 2 * MAX_RSA_BITS || !BASE64URL.test(text)) return null
  return BigInt(`0x0${Buffer.from(text, 'base64url').toString('hex')}`)
}

/** The members, if they are a key, as RFC 7518 §6 has them written: each key has one thumbprint. */
function open(members: Members): KeyMaterial | null {
  const { kty: _, crv: _curve, ...numbers } = members
  if (!Object.values(numbers).every(text => typeof text === 'string' && BASE64URL.test(text))) return null
  const jwk = members as KeyMaterial
  try {
    return createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'jwk' }) as KeyMaterial
  } catch {
    return null
  }
}

/** RFC 7638 §3: the members that are needed, in the order of their names. */
function thumbprintOf(jwk: KeyMaterial): string {
  const sorted = Object.entries(jwk).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify(Object.fromEntries(sorted)))
    .digest('base64url')
}

function leaveOut(shown: string, why: string): Finding {
  return { level: 'warning', code: 'key_unusable', text: `${shown} ${why}. It is not used.` }
}

function bad(code: string, text: string): Finding {
  return { level: 'error', code, text }
}
