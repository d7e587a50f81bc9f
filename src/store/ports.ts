import type { ChangeEvent, OstiaryEvent } from '#core/events.ts'
import type { AdminScope } from '#core/operator.ts'
import type { Environment } from '#core/principal.ts'

/**
 * What the gateway asks of a database. Every call rejects with `Problem('store.unavailable')` when the store cannot
 * answer (down, locked, full, too late), never with an empty result.
 */
export interface Store extends CallStore {
  readonly keys: KeyStore
  readonly events: EventStore
  readonly tokens: OperatorTokenStore
  readonly idempotency: IdempotencyStore
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

export interface OperatorTokenRecord {
  /** `tok_…`, or `bootstrap` for the credential that the first start makes. */
  readonly id: string
  readonly name: string
  /** SHA-256 of the token's text, 64 hexadecimal digits. */
  readonly digest: string
  readonly scopes: readonly AdminScope[]
  /** The only projects that the token reaches; null = all. */
  readonly projects: readonly string[] | null
  /** Id of the actor. */
  readonly createdBy: string
  /** All times in ms since the epoch. */
  readonly createdAt: number
  readonly expiresAt: number | null
  readonly revokedAt: number | null
  /** To the hour; null = never. */
  readonly lastUsedAt: number | null
}

export interface OperatorTokenStore {
  findByDigest(digest: string): Promise<OperatorTokenRecord | undefined>
  find(id: string): Promise<OperatorTokenRecord | undefined>
  /** Newest first, without the bootstrap token; `after` is the id of the last one seen. */
  list(page: { readonly limit: number; readonly after?: string | undefined }): Promise<readonly OperatorTokenRecord[]>
  /**
   * Writes the token and its event in one transaction, if `allow` takes its creator's token as that is in the same
   * transaction (undefined = there is none); what `allow` throws is passed on. With `endsBootstrap` the bootstrap
   * token is revoked in the same transaction; resolves to whether it was valid until then.
   */
  insert(
    token: OperatorTokenRecord,
    event: ChangeEvent,
    options: {
      readonly allow: (creator: OperatorTokenRecord | undefined) => void
      readonly endsBootstrap: ChangeEvent | null
    },
  ): Promise<boolean>
  /**
   * Ends a token: row and event in one transaction. Resolves to the token as it is afterwards, undefined if there is
   * none. A token already revoked keeps its first `revokedAt` and writes no event.
   */
  revoke(id: string, at: number, event: ChangeEvent): Promise<OperatorTokenRecord | undefined>
  touch(id: string, at: number): Promise<void>
  /** Makes `token` the bootstrap token, in place of the one before. */
  replaceBootstrap(token: OperatorTokenRecord, event: ChangeEvent): Promise<void>
  /** Ends every token that is not yet revoked, and makes `token` the bootstrap token: one transaction with all events. */
  reset(
    token: OperatorTokenRecord,
    event: ChangeEvent,
    revoked: (id: string) => ChangeEvent,
  ): Promise<readonly string[]>
}

/** What an idempotency key was first sent with, by whom and for what. */
export interface IdempotencyClaim {
  /** Id of the operator's token. */
  readonly operator: string
  /** Id of the operation. */
  readonly operation: string
  /** A hash of the key, 64 hexadecimal digits. */
  readonly keyHash: string
  /** A hash of the request, 64 hexadecimal digits. */
  readonly requestHash: string
  /** In ms since the epoch. */
  readonly expiresAt: number
}

export interface IdempotencyStore {
  /**
   * Claims a key that nobody has claimed or whose claim has expired at `now`: resolves to null. Otherwise to what the
   * first request was and how it was answered; null = it has not ended. Expired claims are removed on the way.
   */
  claim(
    claim: IdempotencyClaim,
    now: number,
  ): Promise<{ readonly requestHash: string; readonly answer: string | null } | null>
  /** Keeps the answer for whoever sends the key again. */
  complete(claim: IdempotencyClaim, answer: string): Promise<void>
  /** Forgets the claim: the key may be used again. */
  release(claim: IdempotencyClaim): Promise<void>
}
