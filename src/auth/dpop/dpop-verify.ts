import type { IncomingMessage } from 'node:http'
import { type CryptoKey, compactVerify, errors, importJWK } from 'jose'
import type { Clock } from '#core/clock.ts'
import { type ClaimRules, checkProofClaims } from './dpop-claims.ts'
import type { DpopNonces } from './dpop-nonces.ts'
import { readProof, type UnverifiedProof } from './dpop-proof.ts'
import type { ReplayMemory } from './replay-memory.ts'

/** In a word what is wrong with the proof of a request; null = it is good, and is used up. */
export type VerifyProof = (question: ProofQuestion) => string | null | Promise<string | null>

interface ProofQuestion {
  readonly req: IncomingMessage
  /** By which the caller reached another proxy, which asks about them; null = they reached the gateway itself. */
  readonly origin: string | null
  readonly credential: string
  /** Of the key that the credential is bound to. */
  readonly thumbprint: string
  /** Told the nonce that the caller is to use from now on. */
  readonly onNonce: (nonce: string) => void
}

export interface ProofOptions extends Omit<ClaimRules, 'since'> {
  readonly replays: ReplayMemory
  /** null = none is asked for. */
  readonly nonces: DpopNonces | null
  readonly clock: Clock
}

/** There was no room to remember the proof. */
export const NO_ROOM = 'proof_no_room'

/** Keys remembered as they were imported, once a proof by them was good. */
const MAX_KEYS = 1024

/**
 * Verifies proofs as RFC 9449 §4.3 says, what costs least first. A proof is remembered last, when all else was good, so
 * that nobody but the holder of the key takes of the memory.
 */
export function createProofCheck(options: ProofOptions): VerifyProof {
  const { replays, nonces, clock } = options
  const rules = { ...options, since: replays.since }
  const keys = new Map<string, CryptoKey>()

  const verify = async (proof: string, { key, algorithm }: UnverifiedProof): Promise<boolean> => {
    const name = `${algorithm} ${key.thumbprint}`
    try {
      const imported = keys.get(name) ?? ((await importJWK(key.jwk, algorithm)) as CryptoKey)
      await compactVerify(proof, imported, { algorithms: [algorithm] })
      if (!keys.has(name)) keep(keys, name, imported)
      return true
    } catch (error) {
      if (error instanceof errors.JOSEError || isOfCrypto(error)) return false
      throw error
    }
  }

  return ({ req, origin, credential, thumbprint, onNonce }) => {
    const proof = readProof(req.headers.dpop)
    if (typeof proof === 'string') return proof
    if (proof.key.thumbprint !== thumbprint) return 'proof_other_key'
    const target = { method: req.method ?? '', url: req.url ?? '', origin, credential }
    const claims = checkProofClaims(proof.claims, target, rules, clock())
    if (typeof claims === 'string') return claims
    const wrong = nonces === null ? null : checkNonce(proof.claims.nonce, nonces, onNonce)
    if (wrong !== null) return wrong
    return verify(req.headers.dpop as string, proof).then(isSigned => {
      if (!isSigned) return 'proof_signature'
      return REFUSALS[replays.spend(thumbprint, claims.id, claims.endsAt)]
    })
  }
}

const REFUSALS = { fresh: null, replayed: 'proof_replayed', full: NO_ROOM, ended: 'proof_too_old' } as const

function checkNonce(sent: unknown, nonces: DpopNonces, onNonce: (nonce: string) => void): string | null {
  const judged = typeof sent === 'string' ? nonces.judge(sent) : null
  if (judged === 'current') return null
  onNonce(nonces.current())
  if (judged === 'previous') return null
  return sent === undefined ? 'proof_nonce_missing' : 'proof_nonce'
}

function keep(keys: Map<string, CryptoKey>, name: string, key: CryptoKey): void {
  if (keys.size >= MAX_KEYS) {
    const [oldest] = keys.keys()
    if (oldest !== undefined) keys.delete(oldest)
  }
  keys.set(name, key)
}

/** What WebCrypto says of a key that is none, such as a point that is not on its curve. */
function isOfCrypto(error: unknown): boolean {
  return error instanceof DOMException
}
