import type { ChangeEvent } from '#core/events.ts'

/** One version of a secret: sealed, so that the store never sees the value. */
export interface SecretVersion {
  /** `sec_…`; a secret that is deleted and made anew has another one. */
  readonly id: string
  readonly name: string
  /** From 1 on; the highest is the one in use. */
  readonly version: number
  /** Key-encryption key that the data key is under. */
  readonly kekId: string
  /** Both base64url. */
  readonly wrappedKey: string
  readonly ciphertext: string
  /** Times in ms since the epoch. */
  readonly createdAt: number
  /** When it is destroyed; null = it is the one in use. */
  readonly endsAt: number | null
}

/** A version without what is sealed in it. */
export type SecretVersionSummary = Omit<SecretVersion, 'wrappedKey' | 'ciphertext'>

/** The data key of a version, to be put under another KEK. */
export interface RewrappedKey {
  readonly id: string
  readonly version: number
  readonly before: { readonly kekId: string; readonly wrappedKey: string }
  readonly after: { readonly kekId: string; readonly wrappedKey: string }
}

/** What the vault asks of a database. Each change and its event are one transaction. */
export interface SecretStore {
  /** The versions of a secret, newest first; empty = there is none of this name. */
  find(name: string): Promise<readonly SecretVersion[]>
  /** Secrets by name, each with its versions, newest first; `after` is the last name seen. */
  list(page: {
    readonly limit: number
    readonly after?: string | undefined
  }): Promise<readonly (readonly [SecretVersionSummary, ...SecretVersionSummary[]])[]>
  /** How many secrets there are. */
  count(): Promise<number>
  /**
   * Writes a version that is in use from now on. The one before ends at `previousEndsAt`, or is destroyed now (null), as
   * are all earlier ones. Rejects with `Problem('store.conflict')` unless it follows the newest version.
   */
  put(version: SecretVersion, previousEndsAt: number | null, event: ChangeEvent): Promise<void>
  /** Destroys a secret with all its versions; resolves to whether there was one. */
  delete(id: string, event: ChangeEvent): Promise<boolean>
  /** Destroys one version that is not in use; resolves to whether it was there. */
  deleteVersion(id: string, version: number, event: ChangeEvent): Promise<boolean>
  /** Versions that end, the first to end first. */
  ending(limit: number): Promise<readonly SecretVersionSummary[]>
  /** Versions under another KEK than this one, in a fixed order. */
  underOtherKek(kekId: string, limit: number): Promise<readonly SecretVersion[]>
  /** Versions by KEK. */
  countByKek(): Promise<ReadonlyMap<string, number>>
  /** Puts data keys under another KEK; resolves to how many still were as `before` says, and changed. */
  rewrap(keys: readonly RewrappedKey[], event: ChangeEvent): Promise<number>
}
