import type { CryptoKey } from 'jose'

/** A public key of an issuer. */
export interface IssuerKey {
  /** SHA-256 thumbprint (RFC 7638), base64url: the key by itself, whatever its name. */
  readonly thumbprint: string
  /** `kid`; null = it has none. */
  readonly keyId: string | null
  /** The algorithm that was asked for, for which the key is good. */
  readonly algorithm: string
  readonly key: CryptoKey
}

/**
 * The keys of all issuers, as this worker knows them. Answers those that a token with this header may have been signed with:
 * with a `kid` those of that name, without one all that fit the algorithm, of either at most `MAX_CANDIDATES`. None = there is
 * no such key. Throws or rejects with `auth.issuer_unavailable` where that cannot be told: no keys of the issuer are known,
 * or this `kid` may be a new one, and the last fetch failed or none was made for it because others used up the issuer’s budget.
 */
export interface IssuerKeys {
  find(query: KeyQuery): readonly IssuerKey[] | Promise<readonly IssuerKey[]>
  /** Has the listener told of each key of an issuer that is good no longer: its name and the thumbprints. */
  onChange(listener: KeysRemoved): void
}

export type KeysRemoved = (issuer: string, removed: ReadonlySet<string>) => void

export interface KeyQuery {
  /** Name of the issuer in the configuration. */
  readonly issuer: string
  readonly keyId: string | null
  readonly algorithm: string
  /** Address of the client: who makes up names of keys takes of their own budget of fetches only. */
  readonly source: string
}
