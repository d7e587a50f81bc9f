import type { ChangeEvent, OstiaryEvent } from '#core/events.ts'
import type { Environment } from '#core/principal.ts'
import type { SecretStore } from './secrets-port.ts'

/**
 * What the gateway asks of a database. Every call rejects with `Problem('store.unavailable')` when the store cannot
 * answer (down, locked, full, too late), never with an empty result.
 */
export interface Store extends CallStore {
  readonly keys: KeyStore
  readonly events: EventStore
  readonly secrets: SecretStore
  /** Answers a trivial query; rejects when the store cannot. */
  ping(): Promise<void>
}

/**
 * The part of it that serving calls needs: two fixed statements and the feed. Workers hold only this, whose adapters
 * load no query builder.
 */
export interface CallStore extends AsyncDisposable {
  readonly keys: KeyLookup
  readonly events: EventWriter
  readonly changes: ChangeFeed
}

export interface KeyRecord {
  /** `key_…` */
  readonly id: string
  readonly name: string
  readonly environment: Environment
  /** HMAC-SHA-256 of the key's text under the pepper, 64 hexadecimal digits. */
  readonly digest: string
  /** Which pepper made the digest. */
  readonly pepperId: string
  /** What may be shown: prefix, environment and the last four characters. */
  readonly hint: string
  /** All times in ms since the epoch. */
  readonly createdAt: number
  readonly expiresAt: number | null
  readonly revokedAt: number | null
}

export interface KeyLookup {
  findByDigest(digest: string): Promise<KeyRecord | undefined>
}

export interface KeyStore extends KeyLookup {
  /** Writes the key and its event in one transaction. Rejects with `Problem('store.conflict')` if id or digest exists. */
  insert(key: KeyRecord, event: ChangeEvent): Promise<void>
  find(id: string): Promise<KeyRecord | undefined>
  /** Newest first; `after` is the id of the last one seen. */
  list(page: { readonly limit: number; readonly after?: string | undefined }): Promise<readonly KeyRecord[]>
  /**
   * Ends a key: row, event and change in one transaction. Resolves to the key as it is afterwards, undefined if there
   * is none. A key already revoked keeps its first `revokedAt` and writes neither event nor change.
   */
  revoke(id: string, at: number, event: ChangeEvent): Promise<KeyRecord | undefined>
}

export interface EventWriter {
  /** Writes all or none, durably, in the order given; an event whose id exists already is left as it is. */
  append(events: readonly OstiaryEvent[]): Promise<void>
}

export interface EventStore extends EventWriter {
  /** Newest first by id of insertion. */
  list(page: { readonly limit: number; readonly type?: string | undefined }): Promise<readonly OstiaryEvent[]>
}

/** A committed fact that caches must learn. */
export interface Change {
  readonly seq: number
  readonly topic: 'key.revoked'
  /** Id of what changed. */
  readonly subject: string
}

export interface ChangeFeed {
  /** Calls back for each change committed from now on by anyone on this store, in order. Returns how to stop. */
  subscribe(listener: (change: Change) => void): () => void
  /**
   * When the store last proved that the feed is alive (a heartbeat each second), on the monotonic clock
   * (`performance.now()`, ms). Older than the revocation bound = caches must not be trusted.
   */
  heardAt(): number
}
