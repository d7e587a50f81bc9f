import type { ChainHead, DecisionLink } from '#core/audit-chain.ts'
import type { Checkpoint, Heads } from '#core/checkpoint.ts'
import type { ChangeEvent, GatewayEvent, OstiaryEvent } from '#core/events.ts'
import type { Environment } from '#core/principal.ts'

/**
 * What the gateway asks of a database. Every call rejects with `Problem('store.unavailable')` when the store cannot
 * answer (down, locked, full, too late), never with an empty result.
 */
export interface Store extends CallStore {
  readonly keys: KeyStore
  readonly events: EventStore
  readonly audit: AuditStore
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

/** A batch of decisions as the next row of its chain. */
export interface DecisionRow extends DecisionLink {
  readonly chain: string
  readonly seq: number
  /** Hash of the row before. */
  readonly previous: string
  readonly hash: string
}

export interface EventWriter {
  /** Where a chain of decisions stands. */
  head(chain: string): Promise<ChainHead>
  /**
   * Writes the row, durably, if it follows the chain's newest. Resolves to where the chain stands: at this row, also if
   * it had been written before; anywhere else, it was not written and must be chained anew.
   */
  append(row: DecisionRow): Promise<ChainHead>
}

export interface EventStore extends EventWriter {
  /** Writes what has no other change to share a transaction with. */
  record(event: ChangeEvent | GatewayEvent): Promise<void>
  /** Newest first. */
  list(page: { readonly limit: number; readonly type?: string | undefined }): Promise<readonly OstiaryEvent[]>
  page(query: EventQuery): Promise<EventPage>
}

export interface EventQuery {
  readonly limit: number
  /** `next` of the page before. */
  readonly after?: string | undefined
  /** Only events of a time, ms since the epoch: `from` ≤ at < `to`. */
  readonly from?: number | undefined
  readonly to?: number | undefined
  readonly type?: string | undefined
  readonly matches?: ((event: OstiaryEvent) => boolean) | undefined
}

export interface EventPage {
  /** Newest first; fewer than asked for, even none, where many had to be passed over. */
  readonly events: readonly OstiaryEvent[]
  /** null = there is nothing older. */
  readonly next: string | null
}

export interface AuditStore {
  /** Where every chain stands. */
  heads(): Promise<Heads>
  newestCheckpoint(): Promise<Checkpoint | undefined>
  /** Rejects with `Problem('store.conflict')` if there is one of this number. */
  addCheckpoint(checkpoint: Checkpoint): Promise<void>
  /**
   * Deletes rows from the beginning of a chain of decisions, those whose events are all older than `before`, at most
   * `limit` and never the newest, and records it in the same transaction. Resolves to the number of rows deleted.
   */
  prune(chain: string, before: number, limit: number, record: (pruned: PrunedRows) => ChangeEvent): Promise<number>
}

/** What was pruned, as the event `audit.pruned` says it: what is left follows `seq` and `hash`. */
export interface PrunedRows extends ChainHead {
  readonly rows: number
  readonly events: number
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
