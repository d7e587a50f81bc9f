import type { AddressLists } from '#core/address-lists.ts'
import type { ChangeEvent } from '#core/events.ts'
import type { RevocationKind } from '#core/revocation.ts'

/** An entry of the revocation list: which tokens of an issuer are refused. */
export interface RevocationRecord {
  /** `rev_…` */
  readonly id: string
  /** Name of the issuer in the configuration. */
  readonly issuer: string
  readonly kind: RevocationKind
  /** What the kind is a name of: a `jti`, a subject, a client, a session, a key. */
  readonly value: string
  /** Tokens issued at or before this moment are refused; null = whenever they were issued. */
  readonly notBefore: number | null
  readonly reason: string | null
  /** All times in ms since the epoch. */
  readonly createdAt: number
  /** Id of the actor. */
  readonly createdBy: string
  /** When no token that it refuses can be good any more; null = never. It refuses until it is pruned. */
  readonly expiresAt: number | null
}

/** A token that was found to be genuine, by all that an entry can name it by; null = it has none of the kind. */
export interface TokenQuery {
  readonly issuer: string
  readonly token: string | null
  readonly subject: string
  readonly client: string | null
  readonly session: string | null
  readonly keyId: string | null
  readonly keyThumbprint: string | null
  /** ms since the epoch; null = it does not say: any entry is later. */
  readonly issuedAt: number | null
  /** `proj_…` that its callers belong to. */
  readonly project: string
}

export interface TokenStanding {
  /** Kind of an entry that refuses it; null = there is none. */
  readonly revoked: RevocationKind | null
  readonly projectExists: boolean
  /** From where credentials of its project may be used. */
  readonly projectAddresses: AddressLists
}

/** What workers ask of the revocation list. */
export interface RevocationLookup {
  /** Whether anything stands against a token: one statement. */
  judge(token: TokenQuery): Promise<TokenStanding>
}

export interface RevocationQuery {
  readonly limit: number
  /** Id of the last entry of the page before. */
  readonly after?: string | undefined
  readonly issuer?: string | undefined
  readonly kind?: RevocationKind | undefined
  readonly value?: string | undefined
}

/** Each change and its event are one transaction. */
export interface RevocationStore extends RevocationLookup {
  /** Tells the caches in the same transaction. Rejects with `Problem('store.conflict')` if the id exists. */
  insert(entry: RevocationRecord, event: ChangeEvent): Promise<void>
  find(id: string): Promise<RevocationRecord | undefined>
  /** Newest first. */
  list(query: RevocationQuery): Promise<readonly RevocationRecord[]>
  /** Lifts an entry; `eventOf` sees it as it was. Resolves to it, undefined if there is none. */
  delete(id: string, eventOf: (entry: RevocationRecord) => ChangeEvent): Promise<RevocationRecord | undefined>
  /** Deletes entries that ended before this moment, `limit` at most; resolves to how many they were. */
  prune(before: number, limit: number): Promise<number>
}
