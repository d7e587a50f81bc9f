import type { Actor } from '#core/actor.ts'
import type { Clock } from '#core/clock.ts'
import { EXPIRY_NOTICE_MS } from '#core/expiry-notice.ts'
import { newId } from '#core/ids.ts'
import { maySeeProject } from '#core/operator.ts'
import type { Environment } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { Secret } from '#core/secret.ts'
import type { KeyChange, KeyQuery, KeyRecord, KeySecret, KeyStore } from '#store/ports.ts'
import type { ProjectStore } from '#store/projects-port.ts'
import { checkAddresses } from './check-addresses.ts'
import { type KeyFormat, keyHint } from './format.ts'
import { keyEvent, settingsOf } from './key-events.ts'
import { requireMayChange, requireMayGrant } from './key-grants.ts'
import { checkSettings, type KeySettings, NO_SETTINGS } from './key-settings.ts'
import type { KeyVocabulary } from './key-vocabulary.ts'
import { DEFAULT_PROJECT, noSuchProject } from './projects.ts'
import { createDigest } from './recognise.ts'

export interface NewKey extends Partial<KeySettings> {
  readonly name: string
  /** Id or name; undefined = the default project. */
  readonly project?: string | undefined
  readonly environment: Environment
  /** Lifetime in ms; undefined = the configured default, null = none. */
  readonly lifetimeMs?: number | null | undefined
}

/** What is to change of a key; what is absent stays. */
export interface KeyUpdate extends Partial<KeySettings> {
  readonly name?: string
  /** From now on, in ms; null = no end. */
  readonly lifetimeMs?: number | null
}

/** A key and the text that is shown once. */
export interface MintedKey {
  readonly record: KeyRecord
  /** The key's whole text; exists only in this answer. */
  readonly secret: Secret
}

/**
 * The life of API keys. A key of a project that does not exist for the actor does not exist: `key.not_found`, and
 * `project.not_found` where the project is named. What no longer may change is refused with `key.ended`; what only who may grant does,
 * or changes, with `admin.forbidden`.
 */
export interface Keys {
  /** Throws `key.lifetime_exceeded` and, for settings that can never apply, `admin.invalid_input`. */
  mint(key: NewKey, by: Actor): Promise<MintedKey>
  find(id: string, by: Actor): Promise<KeyRecord>
  list(query: Omit<KeyQuery, 'projects'> & { readonly project?: string }, by: Actor): Promise<readonly KeyRecord[]>
  /** `check` sees the key as it is, held against others, and throws what stands against the update. */
  update(id: string, update: KeyUpdate, by: Actor, check?: (key: KeyRecord) => void): Promise<KeyRecord>
  /** Until it is enabled again the key is refused like a revoked one. A second time changes nothing. */
  disable(id: string, by: Actor): Promise<KeyRecord>
  enable(id: string, by: Actor): Promise<KeyRecord>
  /**
   * A new secret; every earlier one works for `graceMs` more at most, 0 = no longer. Throws `key.too_many_secrets`.
   */
  rotate(id: string, graceMs: number, by: Actor): Promise<MintedKey>
  /** Ends a key now and for good, with all its secrets; a second time changes nothing. */
  revoke(id: string, by: Actor): Promise<KeyRecord>
}

export interface KeysOptions {
  readonly format: KeyFormat
  readonly pepper: Buffer
  readonly pepperId: string
  readonly store: KeyStore
  readonly projects: Pick<ProjectStore, 'find' | 'findByName'>
  readonly clock: Clock
  /** What stands against a pattern of models as the configuration is now; null = nothing. */
  readonly modelFault: (pattern: string) => string | null
  /** As the configuration is now. */
  readonly vocabulary: () => KeyVocabulary
  readonly defaultLifetimeDays: number | null
  readonly maxLifetimeDays: number | null
}

const DAY_MS = 86_400_000
export const MAX_GRACE_MS = 30 * DAY_MS
/** Secrets of one key that work at once. */
const MAX_SECRETS = 5

export function createKeys(options: KeysOptions): Keys {
  const { store, clock } = options
  const digestOf = createDigest(options.pepper)

  /** A pattern that no model fits would be a key that does nothing, and nobody would be told. */
  const checkServed = (models: KeySettings['models'] | undefined) => {
    for (const pattern of models ?? []) {
      const fault = options.modelFault(pattern)
      if (fault === null) continue
      throw new Problem('admin.invalid_input', { detail: `models: ${JSON.stringify(pattern)} ${fault}.` })
    }
  }

  /** Of addresses that the project keeps out, none is any use; the check of each call does not rely on this one. */
  const checkWithin = async (projectId: string, settings: KeySettings) => {
    const project = await options.projects.find(projectId)
    if (project !== undefined) checkAddresses(settings, project)
  }

  const newSecret = (environment: Environment, now: number): { secret: KeySecret; text: Secret } => {
    const text = options.format.make(environment)
    const { pepperId } = options
    const secret = { digest: digestOf(text), pepperId, hint: keyHint(text), createdAt: now, expiresAt: null }
    return { secret, text: new Secret(text) }
  }

  const change = async (id: string, by: Actor, decide: (key: KeyRecord, now: number) => KeyChange | null) => {
    const now = clock()
    const [record] = await store.change([id], now, key => (maySeeProject(by, key.project) ? decide(key, now) : null))
    return visible(record, id, by)
  }

  const projectNamed = async (named: string, by: Actor): Promise<string> => {
    const id = named.startsWith('proj_') ? named : (await options.projects.findByName(named))?.id
    if (id === undefined || !maySeeProject(by, id)) throw noSuchProject(named)
    return id
  }

  return {
    async mint({ name, project = DEFAULT_PROJECT, environment, lifetimeMs, ...settings }, by) {
      const now = clock()
      const wanted = { ...NO_SETTINGS, ...settings }
      requireMayGrant(by, wanted, options.vocabulary())
      checkSettings(wanted, options.vocabulary())
      checkServed(settings.models)
      const projectId = await projectNamed(project, by)
      await checkWithin(projectId, wanted)
      const { secret, text } = newSecret(environment, now)
      const expiresAt = expiryOf(lifetimeMs, now, options)
      const record: KeyRecord = {
        ...wanted,
        id: newId('key', now),
        project: projectId,
        name,
        environment,
        version: 1,
        createdAt: now,
        createdBy: by.id,
        updatedAt: now,
        expiresAt,
        disabledAt: null,
        revokedAt: null,
        lastUsedAt: null,
        lastUsedFrom: null,
        // Who asks for a key that ends soon need not be told that it will.
        expiryWarnedAt: expiresAt !== null && expiresAt - now <= EXPIRY_NOTICE_MS ? now : null,
        leakReportedAt: null,
        secrets: [secret],
      }
      await store.insert(record, keyEvent('key.created', record, by, now, settingsOf(record)))
      return { record, secret: text }
    },

    find: async (id, by) => visible(await store.find(id), id, by),

    async list({ project, ...query }, by) {
      const projects = project === undefined ? by.projects : new Set([await projectNamed(project, by)])
      return store.list({ ...query, projects })
    },

    async update(id, said, by, check) {
      const { lifetimeMs, ...update } = said
      if (update.cidrs !== undefined || update.deniedCidrs !== undefined) {
        const key = visible(await store.find(id), id, by)
        check?.(key)
        await checkWithin(key.project, { ...key, ...update })
      }
      return change(id, by, (key, now) => {
        check?.(key)
        requireUnrevoked(key)
        requireMayChange(by, key, said, options.vocabulary())
        checkSettings({ ...key, ...update }, options.vocabulary(), update)
        checkServed(update.models)
        const set = {
          ...update,
          // Whoever was told of an end that has changed is told again.
          ...(lifetimeMs !== undefined && { expiresAt: expiryOf(lifetimeMs, now, options), expiryWarnedAt: null }),
        }
        const [before, after] = [settingsOf(key), settingsOf({ ...key, ...set })]
        return { set: { ...set, updatedAt: now }, events: [keyEvent('key.updated', key, by, now, { before, after })] }
      })
    },

    disable: (id, by) =>
      change(id, by, (key, now) => {
        requireUnrevoked(key)
        if (key.disabledAt !== null) return null
        return { set: { disabledAt: now, updatedAt: now }, events: [keyEvent('key.disabled', key, by, now)] }
      }),

    enable: (id, by) =>
      change(id, by, (key, now) => {
        requireUnrevoked(key)
        if (key.disabledAt === null) return null
        requireMayGrant(by, key, options.vocabulary())
        return { set: { disabledAt: null, updatedAt: now }, events: [keyEvent('key.enabled', key, by, now)] }
      }),

    async rotate(id, graceMs, by) {
      let text: Secret | undefined
      const record = await change(id, by, (key, now) => {
        requireUnrevoked(key)
        if (key.expiresAt !== null && key.expiresAt <= now) throw ended(key, 'has expired')
        requireMayGrant(by, key, options.vocabulary())
        const made = newSecret(key.environment, now)
        text = made.text
        const working = key.secrets.filter(secret => secret.expiresAt === null || secret.expiresAt > now)
        if (graceMs > 0 && working.length >= MAX_SECRETS) throw new Problem('key.too_many_secrets')
        return {
          set: { updatedAt: now },
          rotation: { secret: made.secret, graceEndsAt: now + graceMs },
          events: [keyEvent('key.rotated', key, by, now, { grace_ms: graceMs, hint: made.secret.hint })],
        }
      })
      return { record, secret: text as Secret }
    },

    revoke: (id, by) => change(id, by, (key, now) => revocation(key, by, now)),
  }
}

/** null = revoked already: it keeps the time of the first. */
export function revocation(key: KeyRecord, by: Actor, now: number): KeyChange | null {
  if (key.revokedAt !== null) return null
  return { set: { revokedAt: now, updatedAt: now }, events: [keyEvent('key.revoked', key, by, now)] }
}

function visible(record: KeyRecord | undefined, id: string, by: Actor): KeyRecord {
  if (record !== undefined && maySeeProject(by, record.project)) return record
  throw new Problem('key.not_found', { detail: `There is no key ${id}.` })
}

function requireUnrevoked(key: KeyRecord): void {
  if (key.revokedAt !== null) throw ended(key, 'is revoked')
}

function ended(key: KeyRecord, how: string): Problem {
  return new Problem('key.ended', { detail: `The key ${key.id} ${how}.` })
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
