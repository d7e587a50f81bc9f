import { timingSafeEqual } from 'node:crypto'
import type { Clock } from '#core/clock.ts'
import type { Ceilings, VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { REVOCATION_BOUND_MS } from '#core/revocation.ts'
import type { CallKey, ChangeFeed, KeyLookup } from '#store/ports.ts'
import type { KeyFormat } from './format.ts'
import { KeyCache, type KnownKey } from './key-cache.ts'
import { createRecogniser } from './recognise.ts'

/** Who presented the key, or the refusal `auth.invalid_credential` with the reason. Rejects with `store.unavailable`. */
export type VerifyKey = (presented: string) => VerifiedIdentity | Problem | Promise<VerifiedIdentity | Problem>

interface KeyVerifierOptions {
  readonly format: KeyFormat
  readonly pepper: Buffer
  readonly keys: Pick<KeyLookup, 'findByDigest'>
  /** Makes ceilings ready for the checks of each call, once, when a key is learnt. */
  readonly compileCeilings: (key: CallKey) => Ceilings
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
    async find(digest) {
      const key = await keys.findByDigest(digest)
      return key && know(key, options.compileCeilings(key))
    },
  })

  return presented => {
    const digest = recognise(presented)
    if (typeof digest !== 'string') return digest
    const cached = cache.get(digest)
    return cached === undefined
      ? cache.load(digest).then(record => admit(record, digest, clock()))
      : admit(cached, digest, clock())
  }
}

/** A key as the cache keeps it: the identity is made once, whatever the number of calls. */
function know(key: CallKey, ceilings: Ceilings): KnownKey {
  const { disabledAt, revokedAt, digest, secretExpiresAt } = key
  return { identity: Object.freeze(identityOf(key, ceilings)), digest, secretExpiresAt, disabledAt, revokedAt }
}

/** Who bears the key, if it is accepted. */
export function identityOf(
  key: Pick<
    CallKey,
    'id' | 'project' | 'environment' | 'expiresAt' | 'limits' | 'budgets' | 'roles' | 'metadata' | 'binding'
  >,
  ceilings: Ceilings,
): VerifiedIdentity {
  const { id, project, environment, expiresAt, limits, budgets, roles, metadata, binding } = key
  return {
    kind: 'api_key',
    id,
    project,
    environment,
    expiresAt,
    ceilings,
    limits,
    budgets,
    roles: roles ?? [],
    tags: metadata,
    binding,
    token: null,
  }
}

const ABSENT: KnownKey = {
  identity: {
    kind: 'api_key',
    id: '',
    project: '',
    environment: 'test',
    expiresAt: null,
    ceilings: { scopes: new Set(), operations: new Set(), allowsModel: () => false, allowsAddress: () => false },
    limits: null,
    budgets: null,
    roles: [],
    tags: {},
    binding: null,
    token: null,
  },
  digest: '0'.repeat(64),
  secretExpiresAt: null,
  disabledAt: null,
  revokedAt: null,
}

/** Unknown, revoked and expired keys do the same work and meet the same problem; only the recorded reason differs. */
function admit(found: KnownKey | null, digest: string, now: number): VerifiedIdentity | Problem {
  const record = found ?? ABSENT
  const { identity } = record
  const matches = timingSafeEqual(Buffer.from(record.digest, 'latin1'), Buffer.from(digest, 'latin1'))
  const revoked = record.revokedAt !== null
  const disabled = record.disabledAt !== null
  const expired = identity.expiresAt !== null && identity.expiresAt <= now
  const rotated = record.secretExpiresAt !== null && record.secretExpiresAt <= now
  if (!matches || revoked || disabled || expired || rotated) {
    const reason = !matches ? 'unknown' : revoked ? 'revoked' : expired ? 'expired' : disabled ? 'disabled' : 'rotated'
    return new Problem('auth.invalid_credential', { reason, ...(matches && { credential: identity.id }) })
  }
  return identity
}
