import type { AddressLists } from '#core/address-lists.ts'
import type { ChainHead, DecisionLink } from '#core/audit-chain.ts'
import type { Checkpoint, Heads } from '#core/checkpoint.ts'
import type { ChangeEvent, GatewayEvent, OstiaryEvent } from '#core/events.ts'
import type { KeyBudget, KeyLimit } from '#core/key-bounds.ts'
import type { AdminScope } from '#core/operator.ts'
import type { Binding, Environment } from '#core/principal.ts'
import type { UsageDelta } from '#core/usage-delta.ts'
import type { AllowanceStore } from './allowances-port.ts'
import type { ProjectStore } from './projects-port.ts'
import type { RevocationLookup, RevocationStore } from './revocations-port.ts'
import type { SecretStore } from './secrets-port.ts'
import type { UsageStore } from './usage-port.ts'

/**
 * What the gateway asks of a database. Every call rejects with `Problem('store.unavailable')` when the store cannot
 * answer (down, locked, full, too late), never with an empty result.
 */
export interface Store extends CallStore {
  readonly keys: KeyStore
  readonly projects: ProjectStore
  readonly events: EventStore
  readonly audit: AuditStore
  readonly secrets: SecretStore
  readonly tokens: OperatorTokenStore
  readonly idempotency: IdempotencyStore
  readonly usage: UsageStore
  readonly revocations: RevocationStore
  /** Answers a trivial query; rejects when the store cannot. */
  ping(): Promise<void>
}

/**
 * The part of it that serving calls needs: a few fixed statements and the feed. Workers hold only this, whose adapters
 * load no query builder.
 */
export interface CallStore extends AsyncDisposable {
  readonly keys: KeyLookup
  readonly events: EventWriter
  readonly allowances: AllowanceStore
  readonly revocations: RevocationLookup
  readonly changes: ChangeFeed
}

/** What the owner keeps beside an object: names and values of their own. */
export type Metadata = Readonly<Record<string, string>>

export interface KeyRecord {
  /** `key_…` */
  readonly id: string
  /** `proj_…` */
  readonly project: string
  readonly name: string
  readonly environment: Environment
  /** For policies to read; null = none. */
  readonly roles: readonly string[] | null
  /** Ceilings; null = none of the kind. */
  readonly scopes: readonly string[] | null
  readonly models: readonly string[] | null
  readonly operations: readonly string[] | null
  readonly cidrs: readonly string[] | null
  /** From where it may not be used, whatever else allows it. */
  readonly deniedCidrs: readonly string[] | null
  readonly limits: readonly KeyLimit[] | null
  readonly budgets: readonly KeyBudget[] | null
  /** With what callers must prove that it is theirs; null = who bears it may use it. */
  readonly binding: Binding | null
  readonly metadata: Metadata
  /** Counts the changes; uses are none. */
  readonly version: number
  /** All times in ms since the epoch. */
  readonly createdAt: number
  /** Id of the actor. */
  readonly createdBy: string
  readonly updatedAt: number
  readonly expiresAt: number | null
  readonly disabledAt: number | null
  readonly revokedAt: number | null
  readonly lastUsedAt: number | null
  /** Address of the client. */
  readonly lastUsedFrom: string | null
  /** When the end was announced; null = not yet. */
  readonly expiryWarnedAt: number | null
  /** When one of its texts was last reported to be where it should not be; null = never. */
  readonly leakReportedAt: number | null
  /** Newest first; also those whose grace is over. */
  readonly secrets: readonly KeySecret[]
}

/** One text of a key. */
export interface KeySecret {
  /** HMAC-SHA-256 of the text under the pepper, 64 hexadecimal digits. */
  readonly digest: string
  /** Which pepper made the digest. */
  readonly pepperId: string
  /** What may be shown: prefix, environment and the last four characters. */
  readonly hint: string
  readonly createdAt: number
  /** End of its grace; null = works as long as the key does. */
  readonly expiresAt: number | null
}

/** What a call needs to know of the key it was made with. */
export interface CallKey
  extends Pick<
    KeyRecord,
    | 'id'
    | 'project'
    | 'environment'
    | 'roles'
    | 'scopes'
    | 'models'
    | 'operations'
    | 'cidrs'
    | 'deniedCidrs'
    | 'limits'
    | 'budgets'
    | 'binding'
    | 'metadata'
    | 'expiresAt'
    | 'disabledAt'
    | 'revokedAt'
  > {
  readonly digest: string
  /** End of grace of the secret that was presented. */
  readonly secretExpiresAt: number | null
  /** From where credentials of its project may be used. */
  readonly projectAddresses: AddressLists
}

/** When and from where a key was used. */
export interface KeyUse {
  readonly id: string
  readonly at: number
  readonly source: string
}

/** What the hot path and its workers ask of keys. */
export interface KeyLookup {
  findByDigest(digest: string): Promise<CallKey | undefined>
  /** Keeps the latest use of each key, whatever the order in which they are told. */
  noteUses(uses: readonly KeyUse[]): Promise<void>
}

export type KeySort = 'created_at' | 'name' | 'expires_at' | 'last_used_at'
export type KeyStatus = 'active' | 'disabled' | 'expired' | 'revoked'

export interface KeyQuery {
  readonly limit: number
  /** Id of the last key of the page before. */
  readonly after?: string | undefined
  /** By time of making unless said otherwise. */
  readonly sort?: KeySort | undefined
  /** Newest, last or latest first, unless `ascending`. */
  readonly ascending?: boolean | undefined
  /** Only keys of these projects; null = of all. */
  readonly projects?: ReadonlySet<string> | null | undefined
  readonly environment?: Environment | undefined
  /** As it is at `now`, ms since the epoch. */
  readonly status?: { readonly is: KeyStatus; readonly now: number } | undefined
  readonly name?: string | undefined
  /** Only keys that are not revoked. */
  readonly unrevoked?: boolean | undefined
  /** How the hint begins of a secret that works at `now`. */
  readonly hint?: { readonly begins: string; readonly now: number } | undefined
  readonly metadata?: { readonly name: string; readonly value: string } | undefined
}

/** How one key changes: columns, secrets and the event that says so. */
export interface KeyChange {
  readonly set: Partial<Omit<KeyRecord, 'id' | 'project' | 'environment' | 'version' | 'secrets'>>
  /** A new secret; every earlier one works until `graceEndsAt` at most. */
  readonly rotation?: { readonly secret: KeySecret; readonly graceEndsAt: number }
  readonly events: readonly ChangeEvent[]
}

export interface KeyStore extends KeyLookup {
  /**
   * Writes the key with its secrets and its event in one transaction. Rejects with `Problem('store.conflict')` if id or
   * digest exists, `project.not_found` if the project does not.
   */
  insert(key: KeyRecord, event: ChangeEvent): Promise<void>
  find(id: string): Promise<KeyRecord | undefined>
  /** The keys of these digests, in their order; undefined where there is none. */
  findBySecrets(digests: readonly string[]): Promise<readonly (KeyRecord | undefined)[]>
  list(query: KeyQuery): Promise<readonly KeyRecord[]>
  /** Which pepper the newest secret was made under; undefined = there are no keys. */
  newestPepperId(): Promise<string | undefined>
  /**
   * Changes keys in one transaction with their events, and tells the caches. `decide` sees each key as it is, held
   * against others, and answers what to change; null = nothing. Resolves to the keys as they are afterwards, in order,
   * undefined where there is none. What `decide` throws undoes all.
   */
  change(
    ids: readonly string[],
    at: number,
    decide: (key: KeyRecord) => KeyChange | null,
  ): Promise<readonly (KeyRecord | undefined)[]>
  /**
   * Marks keys that end before `end`, and of whose end nobody was told, as told of; with an event each, in one
   * transaction. Resolves to how many they were, `limit` at most.
   */
  warnExpiring(
    span: { readonly now: number; readonly end: number; readonly limit: number },
    eventOf: (key: KeyRecord) => ChangeEvent,
  ): Promise<number>
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
   * Writes the row, durably, if it follows the chain's newest, and adds `usage`, at most one of each group, in the same
   * transaction: both once, or neither. Resolves to where the chain stands: at this row, also if
   * it had been written before; anywhere else, it was not written and must be chained anew.
   */
  append(row: DecisionRow, usage: readonly UsageDelta[]): Promise<ChainHead>
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
  readonly topic: 'key.changed' | 'token.revoked' | 'project.changed' | 'project.deleted'
  /** Id of what changed; of tokens that were revoked `revocationTarget` of core. */
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
