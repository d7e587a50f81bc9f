import type { VerifiedIdentity } from '#core/principal.ts'
import type { ChangeFeed } from '#store/ports.ts'

/** A key by one of its secrets, ready for the checks of a call. */
export interface KnownKey {
  readonly identity: VerifiedIdentity
  readonly digest: string
  /** End of the secret's grace, ms since the epoch; null = none. */
  readonly secretExpiresAt: number | null
  readonly disabledAt: number | null
  readonly revokedAt: number | null
}

interface KeyCacheOptions {
  /** Secrets remembered at most; the least recently used goes first. */
  readonly size: number
  readonly changes: ChangeFeed
  /** Silence of the feed, in ms, after which nothing remembered is trusted. */
  readonly trustMs: number
  readonly find: (digest: string) => Promise<KnownKey | undefined>
}

/** Remembers what the store said of a digest, until the change feed says otherwise. `null` = the store knows no such key. */
export class KeyCache {
  readonly #options: KeyCacheOptions
  readonly #known = new Map<string, KnownKey>()
  /** The remembered secrets of each key and of each project. */
  readonly #digests = new Map<string, Set<string>>()
  readonly #loading = new Map<string, Promise<KnownKey | null>>()
  /** Counts changes, so that an answer read before one is not remembered after it. */
  #epoch = 0

  constructor(options: KeyCacheOptions) {
    this.#options = options
    options.changes.subscribe(change => {
      this.#epoch++
      // A question under way may be answered with what was before: whoever asks from now on asks anew.
      this.#loading.clear()
      this.#forget(change.subject)
    })
  }

  /** undefined = ask the store. */
  get(digest: string): KnownKey | null | undefined {
    const record = this.#known.get(digest)
    if (record === undefined || this.#isStale()) return undefined
    if (this.#known.size * 2 > this.#options.size) {
      // Order matters only when the cache may overflow; until then a hit costs one look-up.
      this.#known.delete(digest)
      this.#known.set(digest, record)
    }
    return record
  }

  /** Asks the store; callers that ask for the same digest meanwhile share the one question. */
  load(digest: string): Promise<KnownKey | null> {
    const running = this.#loading.get(digest)
    if (running !== undefined) return running
    const loading = this.#fetch(digest).finally(() => {
      if (this.#loading.get(digest) === loading) this.#loading.delete(digest)
    })
    this.#loading.set(digest, loading)
    return loading
  }

  async #fetch(digest: string): Promise<KnownKey | null> {
    const epoch = this.#epoch
    const record = await this.#options.find(digest)
    // Unknown digests are not remembered: only the holder of a key that once existed can make one with a valid tag.
    if (record === undefined) return null
    if (epoch === this.#epoch && !this.#isStale()) this.#remember(record)
    return record
  }

  #isStale(): boolean {
    return performance.now() - this.#options.changes.heardAt() > this.#options.trustMs
  }

  #remember(record: KnownKey): void {
    this.#evict(record)
    for (const id of targetsOf(record)) {
      const digests = this.#digests.get(id)
      if (digests === undefined) this.#digests.set(id, new Set([record.digest]))
      else digests.add(record.digest)
    }
    this.#known.set(record.digest, record)
    if (this.#known.size <= this.#options.size) return
    const [oldest] = this.#known.values()
    if (oldest !== undefined) this.#evict(oldest)
  }

  #evict(record: KnownKey): void {
    this.#known.delete(record.digest)
    for (const id of targetsOf(record)) {
      const digests = this.#digests.get(id)
      digests?.delete(record.digest)
      if (digests?.size === 0) this.#digests.delete(id)
    }
  }

  /** Whatever changed of a key or of its project, each of its secrets is asked for anew. */
  #forget(id: string): void {
    for (const digest of [...(this.#digests.get(id) ?? [])]) {
      const record = this.#known.get(digest)
      if (record !== undefined) this.#evict(record)
    }
  }
}

/** By what a change names it. */
function targetsOf({ identity: { id, project } }: KnownKey): readonly [string, string] {
  return [id, project]
}
