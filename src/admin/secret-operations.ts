import type { Actor } from '#core/actor.ts'
import type { Secret } from '#core/secret.ts'
import type { SecretSummary } from '#secrets/vault.ts'

/** A secret as the running gateway sees it. */
export interface LiveSecret extends SecretSummary {
  /** Members of the configuration in effect that refer to it, such as `providers.openai.credential`. */
  readonly usedBy: readonly string[]
}

/** What one step of re-wrapping did. */
export interface RewrapStep {
  /** The key-encryption key that wraps now. */
  readonly kekId: string
  /** Data keys that this step put under it. */
  readonly rewrapped: number
  /** Data keys that are still under others: ask again. */
  readonly remaining: number
  /** Key-encryption keys that nothing used any more and that were deleted. */
  readonly removed: readonly string[]
  /** Earlier ones that are still needed, and by which members of the configuration. */
  readonly kept: readonly { readonly kekId: string; readonly usedBy: readonly string[] }[]
}

/** Changes of the vault, each in effect on every worker when it resolves. */
export interface SecretOperations {
  list(page: { readonly limit: number; readonly after?: string | undefined }): Promise<readonly LiveSecret[]>
  /** Throws `secret.too_many`. */
  set(name: string, value: Secret, by: Actor): Promise<LiveSecret>
  /** Throws `secret.not_found`. */
  rotate(name: string, value: Secret, graceMs: number, by: Actor): Promise<LiveSecret>
  /** Throws `secret.not_found`, `secret.in_use`. */
  delete(name: string, by: Actor): Promise<void>
  /** One step of bringing every data key under a new key-encryption key. Throws `secret.unreadable`. */
  rewrap(by: Actor): Promise<RewrapStep>
}
