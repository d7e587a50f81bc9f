import { type CryptoKey, importJWK } from 'jose'
import type { Clock } from '#core/clock.ts'
import { Problem } from '#core/problems.ts'
import type { IssuerKey, KeyQuery } from './issuer-keys.ts'
import type { PublishedKeys } from './key-set.ts'
import type { KeyLife } from './key-source.ts'
import type { PublicKey } from './public-key.ts'
import { createRefetchGate, type LookUp, type RefetchGate } from './refetch-gate.ts'

/** Keys that a token may have been signed with. Beyond, each token would cost as many verifications: it must say which. */
export const MAX_CANDIDATES = 4

/** Made once: a flood of tokens of an issuer that is away must cost little. */
const UNAVAILABLE = new Problem('auth.issuer_unavailable', { reason: 'keys_unavailable' })

const BUDGET_SPENT = new Problem('auth.issuer_unavailable', { reason: 'key_budget_spent' })

type Query = Omit<KeyQuery, 'issuer'>

interface KnownKeysOptions {
  /** Asks who fetches; resolves when `learn` was told the answer, to whether the `kid` was looked for. */
  readonly ask: (keyId: string | null, source: string) => Promise<LookUp>
  /** Ms, not the time of day. */
  readonly clock: Clock
}

/** The keys of one issuer as a worker knows them: what it was told last. */
export class KnownKeys {
  readonly #options: KnownKeysOptions
  #allows: RefetchGate
  #isFixed: boolean
  #keys: readonly UsableKey[] | null = null
  #isCurrent = false
  #asking: Promise<LookUp> | null = null

  constructor(life: KeyLife, options: KnownKeysOptions) {
    this.#options = options
    this.#allows = createRefetchGate(life)
    this.#isFixed = life.refreshMs === Number.POSITIVE_INFINITY
  }

  /** From now on. */
  setLife(life: KeyLife): void {
    this.#allows = createRefetchGate(life)
    this.#isFixed = life.refreshMs === Number.POSITIVE_INFINITY
  }

  /** Returns the thumbprints of keys that were good until now. */
  learn({ keys, isCurrent }: Pick<PublishedKeys, 'keys' | 'isCurrent'>): ReadonlySet<string> {
    const before = this.#keys ?? []
    this.#isCurrent = isCurrent
    this.#keys = keys === null ? null : keys.map(key => new UsableKey(key))
    const good = new Set(keys?.map(({ thumbprint }) => thumbprint))
    return new Set(before.map(({ published }) => published.thumbprint).filter(thumbprint => !good.has(thumbprint)))
  }

  /** As `IssuerKeys.find`. */
  find(query: Query): readonly IssuerKey[] | Promise<readonly IssuerKey[]> {
    return this.#knows(query.keyId) ? this.#answer(query) : this.#findNew(query)
  }

  async #findNew(query: Query): Promise<readonly IssuerKey[]> {
    // Whoever comes while a question is under way has its answer too.
    await this.#asking
    let lookUp: LookUp = 'done'
    if (this.#keys === null) lookUp = await (this.#asking ?? this.#ask(query))
    else if (!this.#knows(query.keyId)) lookUp = await this.#lookFor(query)
    if (lookUp === 'issuer_spent' && !this.#knows(query.keyId)) throw BUDGET_SPENT
    return this.#answer(query)
  }

  #knows(keyId: string | null): boolean {
    return this.#keys?.some(({ published }) => keyId === null || published.keyId === keyId) ?? false
  }

  async #lookFor(query: Query): Promise<LookUp> {
    const { keyId, source } = query
    // What never changes was looked through.
    if (keyId === null || this.#isFixed) return 'done'
    const mayAsk = this.#allows(keyId, source, this.#options.clock())
    if (mayAsk !== 'done') return mayAsk
    const lookUp = await this.#ask(query)
    if (lookUp !== 'done') this.#allows.forget(keyId)
    return lookUp
  }

  #ask({ keyId, source }: Query): Promise<LookUp> {
    const asking = this.#options.ask(keyId, source).finally(() => {
      if (this.#asking === asking) this.#asking = null
    })
    this.#asking = asking
    return asking
  }

  #answer({ keyId, algorithm }: Query): readonly IssuerKey[] | Promise<readonly IssuerKey[]> {
    if (this.#keys === null || (!this.#isCurrent && !this.#knows(keyId))) throw UNAVAILABLE
    const fitting = this.#keys.filter(
      ({ published }) => (keyId === null || published.keyId === keyId) && published.algorithms.includes(algorithm),
    )
    if (fitting.length > MAX_CANDIDATES) return []
    const imported = fitting.map(key => key.for(algorithm))
    return imported.every(key => 'key' in key) ? imported : Promise.all(imported)
  }
}

/** A key, made ready for each algorithm when that is first asked for. */
class UsableKey {
  readonly published: PublicKey
  readonly #ready = new Map<string, IssuerKey | Promise<IssuerKey>>()

  constructor(published: PublicKey) {
    this.published = published
  }

  for(algorithm: string): IssuerKey | Promise<IssuerKey> {
    const ready = this.#ready.get(algorithm) ?? this.#import(algorithm)
    this.#ready.set(algorithm, ready)
    return ready
  }

  async #import(algorithm: string): Promise<IssuerKey> {
    const { thumbprint, keyId, jwk } = this.published
    const key = (await importJWK({ ...jwk }, algorithm)) as CryptoKey
    const ready: IssuerKey = { thumbprint, keyId, algorithm, key }
    this.#ready.set(algorithm, ready)
    return ready
  }
}
