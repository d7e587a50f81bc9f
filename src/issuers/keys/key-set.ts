import type { Clock } from '#core/clock.ts'
import { KeysNotHad } from '#issuers/review/finding.ts'
import type { FetchedKeys } from './key-fetcher.ts'
import type { KeyLife, KeySource } from './key-source.ts'
import type { PublicKey } from './public-key.ts'
import { createRefetchGate, type LookUp, type RefetchGate } from './refetch-gate.ts'

/** The keys of one issuer as they are known now; crosses threads. */
export interface PublishedKeys {
  /** `id` of the source. */
  readonly source: string
  /** null = none are known, or they are too old. */
  readonly keys: readonly PublicKey[] | null
  /** Whether the last fetch succeeded: only then is a key that is not among them none of the issuer’s. */
  readonly isCurrent: boolean
}

/** The keys of one issuer for the sake of a `kid`; crosses threads. */
export interface KeyAnswer extends PublishedKeys {
  /** Whether that `kid` was looked for, where it is not among them. */
  readonly lookUp: LookUp
}

/** How the keys of one issuer fare. */
export interface KeySetStatus extends PublishedKeys {
  /** When they were last fetched, `clock`; null = never. */
  readonly fetchedAt: number | null
  /** Why the last fetch failed; null = it did not. */
  readonly failure: KeysNotHad | null
}

export interface KeySetOptions {
  readonly source: Pick<KeySource, 'id' | 'life'>
  readonly fetch: () => Promise<FetchedKeys>
  /** Ms, not the time of day, which may be set back. */
  readonly clock: Clock
  /** From 0 to 1. */
  readonly random: () => number
  /** Told of each fetch, after it: null = it succeeded. */
  readonly onFetched: (failure: KeysNotHad | null) => void
  /** Told whenever what is known has changed. */
  readonly onChange: (published: PublishedKeys) => void
}

/** Shorter than this nobody need be asked, whatever their `max-age`. */
export const MIN_REFRESH_MS = 60_000
const FIRST_RETRY_MS = 1000
/** Once an issuer answers again its keys are fetched within this time. */
export const MAX_RETRY_MS = 60_000

/**
 * The keys of one issuer while they live: fetched once at a time and anew in the background, kept while fetching fails
 * for a bounded time, dropped when a good set comes without them. A fetch that fails, or that brings no key, drops none.
 */
export class KeySet {
  readonly #options: KeySetOptions
  readonly #allows: RefetchGate
  readonly #life: KeyLife
  #keys: readonly PublicKey[] | null = null
  #fetchedAt: number | null = null
  #failure: KeysNotHad | null = null
  #failures = 0
  #nextAt: number
  #running: Promise<void> | null = null
  #closed = false

  constructor(options: KeySetOptions) {
    this.#options = options
    this.#life = options.source.life
    this.#allows = createRefetchGate(this.#life)
    this.#nextAt = options.clock()
  }

  status(): KeySetStatus {
    return { ...this.published(), fetchedAt: this.#fetchedAt, failure: this.#failure }
  }

  published(): PublishedKeys {
    const isCurrent = this.#keys !== null && this.#failure === null
    return { source: this.#options.source.id, keys: this.#keys, isCurrent }
  }

  /** Does what is due: called now and then. */
  tick(): void {
    const now = this.#options.clock()
    if (this.#dropStale(now)) this.#tell()
    if (now >= this.#nextAt) void this.#refresh()
  }

  /** Returns whether there were any. */
  #dropStale(now: number): boolean {
    if (this.#failure === null || this.#keys === null) return false
    if (now - (this.#fetchedAt ?? 0) <= this.#life.maxStaleMs) return false
    this.#keys = null
    return true
  }

  /** The keys, fetched anew where this `kid` is not among them and the source may have that done. Never rejects. */
  async find(keyId: string | null, source: string): Promise<KeyAnswer> {
    this.tick()
    let lookUp: LookUp = 'done'
    if (!this.#knows(keyId)) {
      await this.#running
      // While fetching fails its own pace holds, which the tick keeps.
      const mayBeNew = this.#failure === null && keyId !== null && !this.#knows(keyId)
      if (mayBeNew) lookUp = this.#allows(keyId, source, this.#options.clock())
      if (mayBeNew && lookUp === 'done') await this.#refresh()
    }
    return { ...this.published(), lookUp }
  }

  #knows(keyId: string | null): boolean {
    return this.#keys?.some(key => keyId === null || key.keyId === keyId) ?? false
  }

  /** Goes on where another with the same source has come to, which is closed, and is due to fetch: a provider may have been rebuilt. */
  takeOver(before: KeySet): void {
    before.close()
    this.#keys = before.#keys
    this.#fetchedAt = before.#fetchedAt
    this.#failure = before.#failure
    this.#failures = before.#failures
    this.#nextAt = this.#options.clock()
  }

  /** Nobody is told of anything any more. */
  close(): void {
    this.#closed = true
  }

  #refresh(): Promise<void> {
    this.#running ??= this.#fetch().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  async #fetch(): Promise<void> {
    const { fetch, clock, onFetched } = this.#options
    const before = JSON.stringify(this.published())
    try {
      const { keys, maxAgeMs } = await fetch()
      this.#keys = keys
      this.#failure = null
      this.#failures = 0
      this.#fetchedAt = clock()
      this.#nextAt = this.#fetchedAt + this.#freshFor(maxAgeMs)
    } catch (error) {
      this.#failure =
        error instanceof KeysNotHad ? error : new KeysNotHad('defect', 'Fetching failed by a defect.', error)
      this.#nextAt = clock() + this.#retryAfter(this.#failures++)
    }
    this.#dropStale(clock())
    if (this.#closed) return
    onFetched(this.#failure)
    if (JSON.stringify(this.published()) !== before) this.#tell()
  }

  /** A little earlier than need be, so that many gateways do not ask at once. */
  #freshFor(maxAgeMs: number | null): number {
    const asked = Math.min(maxAgeMs ?? this.#life.refreshMs, this.#life.refreshMs)
    return Math.max(asked, Math.min(MIN_REFRESH_MS, this.#life.refreshMs)) * (1 - 0.1 * this.#options.random())
  }

  #retryAfter(failures: number): number {
    const longest = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 16))
    return longest * (1 - 0.5 * this.#options.random())
  }

  #tell(): void {
    if (!this.#closed) this.#options.onChange(this.published())
  }
}
