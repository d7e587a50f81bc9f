import { hash } from 'node:crypto'
import type { MatchTarget } from './dpop-target.ts'

/** What a proof must say of the request that it came with. */
export interface ProofTarget {
  readonly method: string
  /** Target of the request, as it was sent. */
  readonly url: string
  /** By which another proxy was reached, which asks about the request; null = the gateway itself was. */
  readonly origin: string | null
  readonly credential: string
}

export interface ClaimRules {
  readonly matchTarget: MatchTarget
  /** How long after its making a proof is accepted, and how far its maker's clock may be ahead, ms. */
  readonly maxAgeMs: number
  readonly skewMs: number
  /** Since when used proofs are remembered, ms since the epoch. */
  readonly since: number
}

/** Of a proof that says what it must: its id, and until when it is accepted, ms since the epoch. */
export interface ProofClaims {
  readonly id: string
  readonly endsAt: number
}

const MAX_ID_LENGTH = 256
const MAX_SECONDS = 2 ** 40

/** Checks 7 to 11 of RFC 9449 §4.3 but for the nonce, and `ath`; or in a word what is wrong. */
export function checkProofClaims(
  claims: Readonly<Record<string, unknown>>,
  { method, url, origin, credential }: ProofTarget,
  { matchTarget, maxAgeMs, skewMs, since }: ClaimRules,
  now: number,
): ProofClaims | string {
  const { htm, htu, ath, iat, jti } = claims
  if (htm !== method) return 'proof_method'
  if (typeof htu !== 'string' || !matchTarget(htu, url, origin)) return 'proof_target'
  if (ath !== hash('sha256', credential, 'base64url')) return 'proof_credential'
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_ID_LENGTH) return 'proof_id'
  if (typeof iat !== 'number' || !(iat >= 0 && iat < MAX_SECONDS)) return 'proof_time'
  const madeAt = iat * 1000
  if (madeAt > now + skewMs) return 'proof_in_future'
  const endsAt = madeAt + maxAgeMs
  // One from before this run began may have been used then, and nobody would know. `iat` counts in whole seconds.
  if (endsAt <= now || iat < Math.floor(since / 1000)) return 'proof_too_old'
  return { id: jti, endsAt }
}
