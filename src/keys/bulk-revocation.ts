import type { Actor } from '#core/actor.ts'
import type { Clock } from '#core/clock.ts'
import { maySeeProject } from '#core/operator.ts'
import type { KeyRecord, KeyStore } from '#store/ports.ts'
import type { KeyFormat } from './format.ts'
import { keyEvent } from './key-events.ts'
import { type Keys, revocation } from './keys.ts'
import { createDigest } from './recognise.ts'

/** Which keys; one way of saying it at a time. */
export type KeySelector =
  | { readonly ids: readonly string[] }
  /** Id or name. */
  | { readonly project: string }
  /** Prefix and environment, `sk_live_`, or the whole of what lists show, `sk_live_…abcd`, of a secret that works. */
  | { readonly prefix: string }

export interface LeakResult {
  /** `ended` = of a key, or a secret of one, that no longer worked. */
  readonly outcome: 'revoked' | 'ended' | 'unknown'
  readonly key: string | null
}

/** Ends many keys, each with the events of its own. What was ended stays so if a later part fails; once more does the rest. */
export interface BulkRevocation {
  /** Ends at most `MAX_REVOCATIONS`; `more` = there are further ones. `unknown` = ids of no key that the actor may see. */
  revoke(
    selector: KeySelector,
    by: Actor,
  ): Promise<{ readonly revoked: readonly string[]; readonly unknown: readonly string[]; readonly more: boolean }>
  /** Revokes the keys of texts that somebody found where they should not be; one result a text, in order. */
  reportLeak(texts: readonly string[], by: Actor): Promise<readonly LeakResult[]>
}

interface BulkOptions {
  readonly keys: Pick<Keys, 'list'>
  readonly store: Pick<KeyStore, 'change' | 'findBySecrets'>
  readonly format: KeyFormat
  readonly pepper: Buffer
  readonly clock: Clock
}

export const MAX_REVOCATIONS = 1000
/** Keys a transaction: short enough that others who write need not wait long. */
const BATCH = 100

export function createBulkRevocation({ keys, store, format, pepper, clock }: BulkOptions): BulkRevocation {
  const digestOf = createDigest(pepper)

  const revokeAll = async (ids: readonly string[], by: Actor, leaked: ReadonlyMap<string, string> | null) => {
    const revoked: string[] = []
    const seen = new Set<string>()
    for (let at = 0; at < ids.length; at += BATCH) {
      const now = clock()
      const done: string[] = []
      await store.change(ids.slice(at, at + BATCH), now, key => {
        if (!maySeeProject(by, key.project)) return null
        seen.add(key.id)
        const change = revocation(key, by, now)
        if (change === null) return null
        done.push(key.id)
        if (leaked === null) return change
        const report = keyEvent('key.leak_reported', key, by, now, { hint: leaked.get(key.id) })
        return { ...change, events: [report, ...change.events] }
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
      return { ...(await revokeAll(ids.slice(0, MAX_REVOCATIONS), by, null)), more: ids.length > MAX_REVOCATIONS }
    },

    async reportLeak(texts, by) {
      const digests = texts.map(text => (format.check(text) === null ? digestOf(text) : ''))
      const found = await store.findBySecrets([...new Set(digests)].filter(digest => digest !== ''))
      const byDigest = new Map(
        found
          .filter(key => key !== undefined && maySeeProject(by, key.project))
          .flatMap(key => secretsOf(key as KeyRecord)),
      )
      const now = clock()
      const leaked = new Map<string, string>()
      for (const digest of digests) {
        const { key, hint, endsAt } = byDigest.get(digest) ?? {}
        if (key !== undefined && hint !== undefined && (endsAt === null || (endsAt as number) > now))
          leaked.set(key, hint)
      }
      const { revoked } = await revokeAll([...leaked.keys()], by, leaked)
      return digests.map(digest => {
        const key = byDigest.get(digest)?.key
        if (key === undefined) return { outcome: 'unknown', key: null }
        return { outcome: revoked.includes(key) ? 'revoked' : 'ended', key }
      })
    },
  }
}

function secretsOf(key: KeyRecord) {
  return key.secrets.map(({ digest, hint, expiresAt }) => [digest, { key: key.id, hint, endsAt: expiresAt }] as const)
}
