import type { Actor } from '#core/actor.ts'
import type { Clock } from '#core/clock.ts'
import type { ChangeEvent } from '#core/events.ts'
import { newId } from '#core/ids.ts'
import type { Environment } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { Secret } from '#core/secret.ts'
import type { KeyRecord, KeyStore } from '#store/ports.ts'
import { type KeyFormat, keyHint } from './format.ts'
import { createDigest } from './recognise.ts'

export interface NewKey {
  readonly name: string
  readonly environment: Environment
  /** Lifetime in ms; undefined = the configured default, null = none. */
  readonly lifetimeMs?: number | null | undefined
}

/** The life of API keys: mint, list, revoke. */
export interface Keys {
  /** The secret is the key's whole text, and exists only in this answer. Throws `key.lifetime_exceeded`. */
  mint(key: NewKey, by: Actor): Promise<{ readonly record: KeyRecord; readonly secret: Secret }>
  list(page: { readonly limit: number; readonly after?: string | undefined }): Promise<readonly KeyRecord[]>
  /** Ends a key now and for good; a second time changes nothing. Throws `key.not_found`. */
  revoke(id: string, by: Actor): Promise<KeyRecord>
}

interface KeysOptions {
  readonly format: KeyFormat
  readonly pepper: Buffer
  readonly pepperId: string
  readonly store: KeyStore
  readonly clock: Clock
  readonly defaultLifetimeDays: number | null
  readonly maxLifetimeDays: number | null
}

const DAY_MS = 86_400_000

export function createKeys(options: KeysOptions): Keys {
  const { format, store, clock } = options
  const digestOf = createDigest(options.pepper)
  return {
    async mint(key, by) {
      const now = clock()
      const text = format.make(key.environment)
      const record: KeyRecord = {
        id: newId('key', now),
        name: key.name,
        environment: key.environment,
        digest: digestOf(text),
        pepperId: options.pepperId,
        hint: keyHint(text),
        createdAt: now,
        expiresAt: expiryOf(key.lifetimeMs, now, options),
        revokedAt: null,
      }
      await store.insert(record, keyEvent('key.created', record, by, now))
      return { record, secret: new Secret(text) }
    },
    list: page => store.list(page),
    async revoke(id, by) {
      const now = clock()
      const record = await store.find(id)
      const revoked = record && (await store.revoke(id, now, keyEvent('key.revoked', record, by, now)))
      if (revoked === undefined) throw new Problem('key.not_found', { detail: `There is no key ${id}.` })
      return revoked
    },
  }
}

function expiryOf(lifetimeMs: number | null | undefined, now: number, options: KeysOptions): number | null {
  const { defaultLifetimeDays, maxLifetimeDays } = options
  const wanted =
    lifetimeMs === undefined ? (defaultLifetimeDays === null ? null : defaultLifetimeDays * DAY_MS) : lifetimeMs
  if (maxLifetimeDays !== null && (wanted === null || wanted > maxLifetimeDays * DAY_MS)) {
    throw new Problem('key.lifetime_exceeded', { detail: `A key lives at most ${maxLifetimeDays} days here.` })
  }
  return wanted === null ? null : now + wanted
}

function keyEvent(type: ChangeEvent['type'], record: KeyRecord, by: Actor, at: number): ChangeEvent {
  return {
    type,
    id: newId('evt', at),
    at,
    actor: by.id,
    source: by.source,
    requestId: by.requestId,
    project: null,
    subject: record.id,
    detail: { environment: record.environment, name: record.name },
  }
}
