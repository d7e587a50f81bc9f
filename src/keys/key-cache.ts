import type { ChangeFeed, KeyRecord } from '#store/ports.ts'

interface KeyCacheOptions {
  /** Keys remembered at most; the least recently used goes first. */
  readonly size: number
  readonly changes: ChangeFeed
  /** Silence of the feed, in ms, after which nothing remembered is trusted. */
  readonly trustMs: number
  readonly find: (digest: string) => Promise<KeyRecord | undefined>
}

/** Remembers what the store said of a digest, until the change feed says otherwise. `null` = the store knows no such key. */
export class KeyCache {
  readonly #options: KeyCacheOptions
  readonly #known = new Map<string, KeyRecord>()
  readonly #digests = new Map<string, string>()
  readonly #loading = new Map<string, Promise<KeyRecord | null>>()
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
  get(digest: string): KeyRecord | null | undefined {
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
  load(digest: string): Promise<KeyRecord | null> {
    const running = this.#loading.get(digest)
    if (running !== undefined) return running
    const loading = this.#fetch(digest).finally(() => {
      if (this.#loading.get(digest) === loading) this.#loading.delete(digest)
    })
    this.#loading.set(digest, loading)
    return loading
  }

  async #fetch(digest: string): Promise<KeyRecord | null> {
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

  #remember(record: KeyRecord): void {
    this.#known.set(record.digest, record)
    this.#digests.set(record.id, record.digest)
    if (this.#known.size <= this.#options.size) return
    const [oldest] = this.#known.values()
    if (oldest !== undefined) this.#forget(oldest.id)
  }

  #forget(id: string): void {
    const digest = this.#digests.get(id)
    if (digest === undefined) return
    this.#digests.delete(id)
    this.#known.delete(digest)
  }
}
