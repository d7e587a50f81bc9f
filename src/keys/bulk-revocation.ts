import type { Actor } from '#core/actor.ts'
import type { Clock } from '#core/clock.ts'
import { maySeeProject } from '#core/operator.ts'
import type { KeyStore } from '#store/ports.ts'
import { type Keys, revocation } from './keys.ts'

/** Which keys; one way of saying it at a time. */
export type KeySelector =
  | { readonly ids: readonly string[] }
  /** Id or name. */
  | { readonly project: string }
  /** Prefix and environment, `sk_live_`, or the whole of what lists show, `sk_live_…abcd`, of a secret that works. */
  | { readonly prefix: string }

/** Ends many keys, each with the events of its own. What was ended stays so if a later part fails; once more does the rest. */
export interface BulkRevocation {
  /** Ends at most `MAX_REVOCATIONS`; `more` = there are further ones. `unknown` = ids of no key that the actor may see. */
  revoke(
    selector: KeySelector,
    by: Actor,
  ): Promise<{ readonly revoked: readonly string[]; readonly unknown: readonly string[]; readonly more: boolean }>
}

interface BulkOptions {
  readonly keys: Pick<Keys, 'list'>
  readonly store: Pick<KeyStore, 'change'>
  readonly clock: Clock
}

export const MAX_REVOCATIONS = 1000
/** Keys a transaction: short enough that others who write need not wait long. */
const BATCH = 100

export function createBulkRevocation({ keys, store, clock }: BulkOptions): BulkRevocation {
  const revokeAll = async (ids: readonly string[], by: Actor) => {
    const revoked: string[] = []
    const seen = new Set<string>()
    for (let at = 0; at < ids.length; at += BATCH) {
      const now = clock()
      const done: string[] = []
      await store.change(ids.slice(at, at + BATCH), now, key => {
        if (!maySeeProject(by, key.project)) return null
        seen.add(key.id)
        const change = revocation(key, by, now)
        if (change !== null) done.push(key.id)
        return change
      })
      // Told only of what was committed.
      revoked.push(...done)
    }
    return { revoked, unknown: ids.filter(id => !seen.has(id)) }
  }

  const select = async (selector: KeySelector, by: Actor): Promise<readonly string[]> => {
    if ('ids' in selector) return [...new Set(selector.ids)]
    const which =
      'project' in selector ? { project: selector.project } : { hint: { begins: selector.prefix, now: clock() } }
    const found = await keys.list({ ...which, unrevoked: true, limit: MAX_REVOCATIONS + 1 }, by)
    return found.map(({ id }) => id)
  }

  return {
    async revoke(selector, by) {
      const ids = await select(selector, by)
      return { ...(await revokeAll(ids.slice(0, MAX_REVOCATIONS), by)), more: ids.length > MAX_REVOCATIONS }
    },
  }
}
