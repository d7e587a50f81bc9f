import type { Actor } from '#core/actor.ts'
import type { Clock } from '#core/clock.ts'
import { maySeeProject } from '#core/operator.ts'
import type { KeyChange, KeyRecord, KeySecret, KeyStore } from '#store/ports.ts'
import type { KeyFormat } from './format.ts'
import { keyEvent } from './key-events.ts'
import { revocation } from './keys.ts'
import { createDigest } from './recognise.ts'

/** What becomes of a key whose text is where it should not be: ended, or marked for people to look at. */
export type LeakAction = 'revoke' | 'flag'

export interface LeakResult {
  /** `flagged` = marked, and works on; `ended` = of a key, or a secret of one, that no longer worked. */
  readonly outcome: 'revoked' | 'flagged' | 'ended' | 'unknown'
  readonly key: string | null
}

/** Reports of texts that somebody found where they should not be. Only whoever has a key's whole text can name it. */
export interface LeakReports {
  /** One result a text, in order. The same report once more changes nothing. What was done stays so if a later part fails. */
  report(texts: readonly string[], by: Actor, action?: LeakAction): Promise<readonly LeakResult[]>
}

interface LeakReportsOptions {
  readonly store: Pick<KeyStore, 'change' | 'findBySecrets'>
  readonly format: KeyFormat
  readonly pepper: Buffer
  readonly clock: Clock
  /** Where a report does not say. */
  readonly action: LeakAction
}

/** Texts looked up, and keys changed, at a time: short enough that others who write need not wait long. */
const BATCH = 100

export function createLeakReports({ store, format, pepper, clock, action }: LeakReportsOptions): LeakReports {
  const digestOf = createDigest(pepper)

  const reportBatch = async (texts: readonly string[], by: Actor, wanted: LeakAction): Promise<LeakResult[]> => {
    const digests = texts.map(text => (format.check(text) === null ? digestOf(text) : ''))
    const found = await store.findBySecrets([...new Set(digests)].filter(digest => digest !== ''))
    const owners = new Map<string, { readonly key: KeyRecord; readonly secret: KeySecret }>()
    for (const key of found) {
      if (key === undefined || !maySeeProject(by, key.project)) continue
      for (const secret of key.secrets) owners.set(secret.digest, { key, secret })
    }
    const now = clock()
    const leaked = new Map<string, KeySecret>()
    for (const digest of digests) {
      const { key, secret } = owners.get(digest) ?? {}
      if (key === undefined || secret === undefined || !works(secret, now)) continue
      // Of two texts of a key the newer one says more.
      if (secret.createdAt >= (leaked.get(key.id)?.createdAt ?? 0)) leaked.set(key.id, secret)
    }
    const done = new Map<string, LeakResult['outcome']>()
    await store.change([...leaked.keys()], now, key => {
      const secret = leaked.get(key.id) as KeySecret
      if (key.revokedAt !== null) return null
      done.set(key.id, wanted === 'flag' ? 'flagged' : 'revoked')
      return changeOf(key, secret, wanted, by, now)
    })
    return digests.map(digest => {
      const { key, secret } = owners.get(digest) ?? {}
      if (key === undefined || secret === undefined) return { outcome: 'unknown', key: null }
      return { outcome: (works(secret, now) && done.get(key.id)) || 'ended', key: key.id }
    })
  }

  return {
    async report(texts, by, wanted = action) {
      const results: LeakResult[] = []
      for (let at = 0; at < texts.length; at += BATCH) {
        results.push(...(await reportBatch(texts.slice(at, at + BATCH), by, wanted)))
      }
      return results
    },
  }
}

/** null = all of it was told and done before. */
function changeOf(key: KeyRecord, secret: KeySecret, action: LeakAction, by: Actor, now: number): KeyChange | null {
  const end = action === 'revoke' ? revocation(key, by, now) : null
  // A mark of before this secret was made is not about it.
  const known = key.leakReportedAt !== null && key.leakReportedAt >= secret.createdAt
  if (known) return end
  const event = keyEvent('key.leak_reported', key, by, now, { hint: secret.hint, action })
  return { set: { ...end?.set, updatedAt: now, leakReportedAt: now }, events: [event, ...(end?.events ?? [])] }
}

function works(secret: KeySecret, now: number): boolean {
  return secret.expiresAt === null || secret.expiresAt > now
}
