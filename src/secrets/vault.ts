import { type Actor, internalActor } from '#core/actor.ts'
import type { Clock } from '#core/clock.ts'
import type { ChangeEvent, ChangeType } from '#core/events.ts'
import { newId } from '#core/ids.ts'
import { Problem } from '#core/problems.ts'
import type { Secret } from '#core/secret.ts'
import { createTurns } from '#core/turns.ts'
import type { SecretStore, SecretVersion, SecretVersionSummary } from '#store/secrets-port.ts'
import { rewrap, type SealContext, seal, unseal } from './envelope.ts'
import type { KeyWrapper } from './key-wrapper.ts'

/** A value in use, and the one before while its grace lasts. */
export interface StoredSecret {
  readonly value: Secret
  /** `endsAt` in ms since the epoch. */
  readonly previous: { readonly value: Secret; readonly endsAt: number } | null
}

/** What may be told of a secret: never its value. */
export interface SecretSummary {
  readonly name: string
  readonly version: number
  readonly kekId: string
  /** Of the version in use, ms since the epoch. */
  readonly createdAt: number
  readonly previous: { readonly version: number; readonly endsAt: number } | null
}

/** The secrets of the gateway, sealed in the store. Changes are made one after the other. */
export interface Vault {
  /** Writes the value in use; one before it is destroyed. Throws `secret.too_many`. */
  set(name: string, value: Secret, by: Actor): Promise<SecretSummary>
  /** The same where there is one already, which stays valid for `graceMs`. Throws `secret.not_found`. */
  rotate(name: string, value: Secret, graceMs: number, by: Actor): Promise<SecretSummary>
  /** Throws `secret.not_found`. */
  delete(name: string, by: Actor): Promise<void>
  /** By name; `after` is the last name seen. */
  list(page: { readonly limit: number; readonly after?: string | undefined }): Promise<readonly SecretSummary[]>
  /** null = there is none of this name. Throws `secret.unreadable`. */
  read(name: string): Promise<StoredSecret | null>
  /** Destroys what has ended; resolves to the names, and to when the next version ends (null = none does). */
  endGraces(): Promise<{ readonly ended: readonly string[]; readonly nextAt: number | null }>
  /** Puts up to `limit` data keys under the current KEK; resolves to how many. Throws `secret.unreadable`. */
  rewrap(limit: number, by: Actor): Promise<number>
  /** Records that KEKs which nothing uses any more were deleted. */
  recordRemoval(kekIds: readonly string[], by: Actor): Promise<void>
  /** Versions under another KEK than the current one, by its id. */
  underRetiredKeks(): Promise<ReadonlyMap<string, number>>
}

interface VaultOptions {
  readonly keys: KeyWrapper
  readonly store: SecretStore
  readonly clock: Clock
}

const MAX_SECRETS = 10_000
const ENDING_AT_ONCE = 100

export function createVault({ keys, store, clock }: VaultOptions): Vault {
  const inTurn = createTurns()

  const put = async (
    type: ChangeType,
    name: string,
    value: Secret,
    before: readonly SecretVersion[],
    graceMs: number,
    by: Actor,
  ) => {
    const now = clock()
    const [newest] = before
    const id = newest?.id ?? newId('sec', now)
    const version = (newest?.version ?? 0) + 1
    const sealed = await seal(keys, value, contextOf(id, name, version))
    const record: SecretVersion = { id, name, version, ...sealed, createdAt: now, endsAt: null }
    const endsAt = newest === undefined || graceMs === 0 ? null : now + graceMs
    const event = changeEvent(type, name, { version, kek: sealed.kekId, previous_ends_at: endsAt }, by, now)
    await store.put(record, endsAt, event)
    return summarise([record, ...(newest === undefined || endsAt === null ? [] : [{ ...newest, endsAt }])])
  }

  return {
    set: (name, value, by) =>
      inTurn(async () => {
        const before = await store.find(name)
        if (before.length === 0 && (await store.count()) >= MAX_SECRETS) {
          throw new Problem('secret.too_many', { detail: `The vault holds ${MAX_SECRETS} secrets.` })
        }
        return put('secret.set', name, value, before, 0, by)
      }),
    rotate: (name, value, graceMs, by) =>
      inTurn(async () => {
        const before = await store.find(name)
        if (before.length === 0) throw notFound(name)
        return put('secret.rotated', name, value, before, graceMs, by)
      }),
    delete: (name, by) =>
      inTurn(async () => {
        const [newest] = await store.find(name)
        if (newest === undefined) throw notFound(name)
        await store.delete(newest.id, changeEvent('secret.deleted', name, null, by, clock()))
      }),
    async list(page) {
      return (await store.list(page)).map(summarise)
    },
    // In turn too: a KEK may be deleted between reading a row and opening it.
    read: name => inTurn(() => read(keys, store, name, clock())),
    endGraces: () => inTurn(() => endGraces(store, clock())),
    rewrap: (limit, by) => inTurn(() => rewrapSome(keys, store, limit, by, clock())),
    async recordRemoval(kekIds, by) {
      await store.rewrap([], changeEvent('secret.rewrapped', keys.currentId, { removed: kekIds }, by, clock()))
    },
    async underRetiredKeks() {
      const counts = new Map(await store.countByKek())
      counts.delete(keys.currentId)
      return counts
    },
  }
}

async function read(keys: KeyWrapper, store: SecretStore, name: string, now: number): Promise<StoredSecret | null> {
  const [newest, previous] = await store.find(name)
  if (newest === undefined) return null
  const open = (version: SecretVersion) =>
    unseal(keys, version, contextOf(version.id, name, version.version)).catch(error => {
      throw nameVersion(version, error)
    })
  const value = await open(newest)
  if (previous?.endsAt == null || previous.endsAt <= now) return { value, previous: null }
  return { value, previous: { value: await open(previous), endsAt: previous.endsAt } }
}

async function endGraces(store: SecretStore, now: number): ReturnType<Vault['endGraces']> {
  const ended: string[] = []
  for (;;) {
    const ending = await store.ending(ENDING_AT_ONCE)
    const over = ending.filter(({ endsAt }) => endsAt !== null && endsAt <= now)
    for (const { id, name, version } of over) {
      const event = changeEvent('secret.deleted', name, { version, why: 'grace ended' }, internalActor('vault'), now)
      await store.deleteVersion(id, version, event)
      ended.push(name)
    }
    if (over.length < ENDING_AT_ONCE) return { ended, nextAt: ending[over.length]?.endsAt ?? null }
  }
}

async function rewrapSome(keys: KeyWrapper, store: SecretStore, limit: number, by: Actor, now: number) {
  const versions = await store.underOtherKek(keys.currentId, limit)
  const changes = await Promise.all(
    versions.map(async before => {
      const context = contextOf(before.id, before.name, before.version)
      const after = await rewrap(keys, before, context).catch(error => {
        throw nameVersion(before, error)
      })
      return { id: before.id, version: before.version, before, after }
    }),
  )
  const detail = { versions: versions.length }
  return store.rewrap(changes, changeEvent('secret.rewrapped', keys.currentId, detail, by, now))
}

/** Says of which version it is that it cannot be opened. */
function nameVersion({ name, version }: SecretVersion, error: unknown): unknown {
  if (!(error instanceof Problem) || error.code !== 'secret.unreadable') return error
  const detail = `Version ${version} of the secret ${name} cannot be opened. ${error.detail ?? ''}`.trim()
  return new Problem('secret.unreadable', { detail, reason: error.reason ?? 'changed', cause: error })
}

function contextOf(id: string, name: string, version: number): SealContext {
  return ['secret', id, name, version]
}

function summarise([newest, previous]: readonly SecretVersionSummary[]): SecretSummary {
  const { name, version, kekId, createdAt } = newest as SecretVersionSummary
  return {
    name,
    version,
    kekId,
    createdAt,
    previous:
      previous === undefined || previous.endsAt === null
        ? null
        : { version: previous.version, endsAt: previous.endsAt },
  }
}

function notFound(name: string): Problem {
  return new Problem('secret.not_found', { detail: `There is no secret ${name}.` })
}

function changeEvent(
  type: ChangeType,
  subject: string,
  detail: ChangeEvent['detail'],
  by: Actor,
  at: number,
): ChangeEvent {
  return {
    type,
    id: newId('evt', at),
    at,
    actor: by.id,
    source: by.source,
    requestId: by.requestId,
    project: null,
    subject,
    detail,
  }
}
