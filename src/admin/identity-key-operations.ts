import type { Actor } from '#core/actor.ts'
import type { ListedKey } from '#identity/identity-keys.ts'

/** What operators may do with the keys of identity tokens. */
export interface IdentityKeyOperations {
  /** In the order in which they sign. */
  list(): readonly ListedKey[]
  /** Resolves to all keys, once the change is kept and on record. Throws `key.rotation_pending`. */
  rotate(immediately: boolean, by: Actor): Promise<readonly ListedKey[]>
}
