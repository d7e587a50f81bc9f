import { timingSafeEqual } from 'node:crypto'
import type { Clock } from '#core/clock.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import type { ChangeFeed, KeyLookup, KeyRecord } from '#store/ports.ts'
import type { KeyFormat } from './format.ts'
import { KeyCache } from './key-cache.ts'
import { createRecogniser } from './recognise.ts'

/** Resolves to who presented the key; throws `auth.invalid_credential` with the reason, or `store.unavailable`. */
export type VerifyKey = (presented: string) => VerifiedIdentity | Promise<VerifiedIdentity>

/**
 * Longest time in ms that a revoked key may still be accepted anywhere: the change feed tells of a revocation at once,
 * and a worker whose feed has been silent for this long asks the store for every key.
 */
export const REVOCATION_BOUND_MS = 5000

interface KeyVerifierOptions {
  readonly format: KeyFormat
  readonly pepper: Buffer
  readonly keys: KeyLookup
  readonly changes: ChangeFeed
  readonly cacheSize: number
  readonly clock: Clock
}

/** Checks in the order of cost: shape, checksum, tag, cache, store. A made-up key never reaches a look-up. */
export function createKeyVerifier(options: KeyVerifierOptions): VerifyKey {
  const { keys, clock } = options
  const recognise = createRecogniser({ ...options, size: options.cacheSize })
  const cache = new KeyCache({
    size: options.cacheSize,
    changes: options.changes,
    trustMs: REVOCATION_BOUND_MS,
    find: digest => keys.findByDigest(digest),
  })

  return presented => {
    const digest = recognise(presented)
    const cached = cache.get(digest)
    return cached === undefined
      ? cache.load(digest).then(record => admit(record, digest, clock()))
      : admit(cached, digest, clock())
  }
}

const ABSENT: KeyRecord = {
  id: '',
  name: '',
  environment: 'test',
  digest: '0'.repeat(64),
  pepperId: '',
  hint: '',
  createdAt: 0,
  expiresAt: null,
  revokedAt: null,
}

/** Unknown, revoked and expired keys do the same work and throw the same problem; only the recorded reason differs. */
function admit(found: KeyRecord | null, digest: string, now: number): VerifiedIdentity {
  const record = found ?? ABSENT
  const matches = timingSafeEqual(Buffer.from(record.digest, 'latin1'), Buffer.from(digest, 'latin1'))
  const revoked = record.revokedAt !== null
  const expired = record.expiresAt !== null && record.expiresAt <= now
  if (!matches || revoked || expired) {
    const reason = !matches ? 'unknown' : revoked ? 'revoked' : 'expired'
    throw new Problem('auth.invalid_credential', { reason, ...(matches && { credential: record.id }) })
  }
  return { kind: 'api_key', id: record.id, environment: record.environment, expiresAt: record.expiresAt }
}
