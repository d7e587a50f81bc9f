import { rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import { type AdminOptions, type AdminServer, createAdminServer } from '#admin/server.ts'
import { createRecorder } from '#audit/recorder.ts'
import { type LoadedConfig, loadConfig } from '#config/load.ts'
import { resolvePending } from '#config/pending.ts'
import { internalActor } from '#core/actor.ts'
import { systemClock } from '#core/clock.ts'
import type { GatewayEvent } from '#core/events.ts'
import { newId } from '#core/ids.ts'
import { Problem } from '#core/problems.ts'
import type { Secret } from '#core/secret.ts'
import { claimPort } from '#http/listener.ts'
import { startRevocationPruning } from '#issuers/revocation/revocation-pruning.ts'
import { createRevocations, type Revocations } from '#issuers/revocation/revocations.ts'
import type { BulkRevocation } from '#keys/bulk-revocation.ts'
import { startExpiryWarnings } from '#keys/expiry-warnings.ts'
import type { Keys } from '#keys/keys.ts'
import type { LeakReports } from '#keys/leak-reports.ts'
import { createOperatorTokens } from '#keys/operator-tokens.ts'
import type { Projects } from '#keys/projects.ts'
import { createMetricsMemory, Meter } from '#metrics/meter.ts'
import { table } from '#metrics/table.ts'
import { type DataDirectory, findDataDirectory, makeDataDirectory, openDataDirectory } from '#secrets/data-directory.ts'
import { findSealed, findStored } from '#secrets/find.ts'
import { openKeyRing } from '#secrets/key-ring.ts'
import { createVault } from '#secrets/vault.ts'
import type { Store } from '#store/ports.ts'
import { lockDirectory } from '#store/sqlite/directory-lock.ts'
import { startUsageRetention } from '#usage/retention.ts'
import { keepAudit } from './audit-keeping.ts'
import { openBootstrap } from './bootstrap.ts'
import { checkPolicies } from './check-policies.ts'
import { checkPrices } from './check-prices.ts'
import { keyVocabularyOf } from './compile-policies.ts'
import { type Database, openDatabase } from './database.ts'
import { createIssuerKeySource, fetchDocument } from './issuer-keys.ts'
import { type IdentityKeyKeeping, keepIdentityKeys } from './keep-identity-keys.ts'
import { keepLimits } from './keep-limits.ts'
import { openLeakedKeys } from './leaked-keys.ts'
import { listenerUrl } from './listener-url.ts'
import { createLiveIssuers } from './live-issuers.ts'
import { createLivePolicies } from './live-policies.ts'
import { createLiveSecrets, type LiveSecrets } from './live-secrets.ts'
import { createLog } from './log.ts'
import { measureGateway } from './measure-gateway.ts'
import { type KeyRooms, openKeys, unservedModel } from './open-keys.ts'
import { createReloads, type Reload, type Reloads, seedOf } from './reload.ts'
import { type Supervisor, startSupervisor, workerCount } from './supervisor.ts'

export interface OstiaryOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Configuration file; undefined = `OSTIARY_CONFIG`, else `ostiary.yaml` if there is one. */
  readonly configFile?: string | undefined
}

/** A running gateway. Disposing drains it. */
export interface Ostiary extends AsyncDisposable {
  readonly publicUrl: string
  readonly adminUrl: string
  readonly dataDirectory: DataDirectory
  /** Whether the start found or made a bootstrap token: there is no operator token yet that may make others. */
  readonly bootstrap: boolean
  readonly config: LoadedConfig['config']
  /** The key of the first start; null at every later one. */
  readonly firstKey: { readonly secret: Secret; readonly expiresAt: number } | null
  readonly store: Store
  readonly keys: Keys
  readonly projects: Projects
  readonly bulk: BulkRevocation
  readonly leaks: LeakReports
  readonly supervisor: Supervisor
  readonly database: Database
  readonly log: Logger
  /** Resolves if the gateway can no longer be what it was started as, with the reason: it must stop. */
  readonly lost: Promise<Problem>
  readonly reload: Reload
}

/** As whose events name their worker: none of them. */
const SUPERVISOR = 0
const FIRST_KEY_LIFETIME_MS = 24 * 3_600_000

/** The composition root: opens everything in order; what was opened last closes first, also where a step fails. */
export async function startOstiary(options: OstiaryOptions): Promise<Ostiary> {
  await using opened = new AsyncDisposableStack()
  const load = () => {
    const loaded = loadConfig({ env: options.env, file: options.configFile })
    checkPrices(loaded.config)
    checkPolicies(loaded)
    return loaded
  }
  const given = load()
  const { config } = given
  const log = createLog(config.log.level)
  const folder = findDataDirectory(options.env)
  makeDataDirectory(folder)
  opened.use(lockDirectory(folder))
  const dataDirectory = openDataDirectory(folder)
  const keyRing = openKeyRing(folder, options.env)
  const unseal = (config: LoadedConfig) => resolvePending(config, 'enc', findSealed(keyRing))
  const unsealed = await unseal(given)
  const { secrets } = unsealed
  const database = opened.use(await openDatabase({ config, secrets, file: dataDirectory.database, log }))
  const { store } = database
  const vault = createVault({ keys: keyRing, store: store.secrets, clock: systemClock })
  const fetch = (config: LoadedConfig) => resolvePending(config, 'secret', findStored(vault))
  const loaded = await fetch(unsealed)
  opened.use(await keepAudit({ config: config.audit, secrets: loaded.secrets, folder, store, log }))
  let inEffect = config
  const rooms = openKeys(config, dataDirectory, store, {
    modelFault: pattern => unservedModel(pattern, inEffect),
    vocabulary: () => keyVocabularyOf(inEffect),
  })
  const { keys } = rooms
  const leakedKeys = opened.use(await openLeakedKeys({ config: config.keys.leakReports, leaks: rooms.leaks, log }))
  const revocations = createRevocations({
    store: store.revocations,
    lifetimeOf: name => longestLifetime(name, inEffect),
    clock: systemClock,
  })
  const pepperId = await store.keys.newestPepperId()
  if (pepperId !== undefined && pepperId !== dataDirectory.pepperId) {
    throw new Problem('start.data_directory_incomplete', { detail: 'The pepper is not the one of the stored keys.' })
  }

  let generation = 1
  const emit = async (type: GatewayEvent['type'], detail: string | null) => {
    const at = systemClock()
    const event = { type, id: newId('evt', at), at, configGeneration: generation, detail } as const
    await store.events.record(event).catch(error => log.error({ err: error, type }, 'an event was not written'))
  }
  const meter = new Meter(createMetricsMemory())
  let publishKeys: Supervisor['publishKeys'] = () => {}
  const issuerKeys = opened.use(
    createIssuerKeySource({
      log,
      onChange: published => publishKeys(published),
      onFetched: outcome => meter.add(table.keyFetches, 1, outcome),
    }),
  )
  const keysInEffect = issuerKeys.prepare(config)
  const identityKeys = keepIdentityKeys({
    folder,
    config: () => inEffect,
    clock: systemClock,
    log,
    emit: detail => emit('identity_keys.changed', detail),
  })
  // Before the workers in this list, so after them at the end: what they settle last is noted.
  const limits = opened.use(
    keepLimits({ store, workers: workerCount(config), slots: config.counters.slots, clock: systemClock, log }),
  )
  let started = false
  // Before the workers in this list, so after them at the end: their last calls come before it.
  opened.defer(() => (started ? emit('gateway.stopped', null) : undefined))
  const supervisor = opened.use(
    await startSupervisor({
      pepper: dataDirectory.pepper,
      deploymentSecret: dataDirectory.deploymentSecret,
      generation: seedOf(generation, loaded),
      database: () => database.thread(),
      onLog: (worker, { level, fields, message }) => log[level]({ worker, ...fields }, message),
      onLeak: question => leakedKeys.answer(question),
      issuerKeys,
      identityKeys: identityKeys.current,
      limits,
      onBudget: limits.record,
      onReplaced: (index, reason) => {
        meter.add(table.replacements, 1)
        log.error({ worker: index, reason }, 'a worker ended and is being replaced')
        void emit('worker.replaced', `worker ${index}: ${reason}`)
      },
    }),
  )
  publishKeys = published => supervisor.publishKeys(published)
  identityKeys.onChange(keys => supervisor.publishIdentityKeys(keys))
  keysInEffect(true)
  database.onRestarted(() => supervisor.reconnectDatabase())
  const reloads = createReloads({
    loaded,
    load: async () => fetch(await unseal(load())),
    refresh: fetch,
    async apply(seed) {
      const keysInEffect = issuerKeys.prepare(seed.config)
      await supervisor.apply(seed).catch(error => {
        keysInEffect(false)
        throw error
      })
      keysInEffect(true)
      generation = seed.number
      inEffect = seed.config
    },
    onRefused: (actor, error) => log.error({ err: error, actor }, 'configuration refused; the last good one stays'),
    emit,
  })

  const liveSecrets = opened.use(createLiveSecrets({ vault, keyRing, reloads, clock: systemClock, log }))
  await liveSecrets.start()
  const bootstrap = await openBootstrap({
    file: dataDirectory.bootstrapTokenFile,
    store: store.tokens,
    clock: systemClock,
  })
  const admin = await openAdmin(opened, {
    ...rooms,
    config,
    dataDirectory,
    reloads,
    liveSecrets,
    issuers: createLiveIssuers({ current: reloads.current, keys: issuerKeys, fetchDocument, clock: systemClock }),
    identityKeys,
    revocations,
    supervisor,
    store,
    log,
    meter,
    metrics: () => measureGateway({ meter, supervisor, store, issuerKeys, generation: () => generation }),
  })
  opened.use(identityKeys.start())
  const firstKey = pepperId === undefined ? await mintFirstKey(keys) : null
  opened.use(
    startExpiryWarnings({
      store: store.keys,
      clock: systemClock,
      onTrouble: error => log.error({ err: error }, 'keys about to end were not looked for'),
    }),
  )
  opened.use(
    startRevocationPruning({
      store: store.revocations,
      clock: systemClock,
      onTrouble: error => log.error({ err: error }, 'ended entries of the revocation list could not be deleted'),
    }),
  )
  if (config.usage.retentionDays !== null) {
    opened.use(
      startUsageRetention({
        store: store.usage,
        days: config.usage.retentionDays,
        clock: systemClock,
        onTrouble: error => log.error({ err: error }, 'old sums of usage could not be deleted'),
      }),
    )
  }
  started = true
  await emit('gateway.started', null)
  const closing = opened.move()
  return {
    publicUrl: listenerUrl(config.listeners.public, supervisor.port),
    adminUrl: listenerUrl(config.listeners.admin, admin.port),
    dataDirectory,
    bootstrap,
    config,
    firstKey,
    store,
    ...rooms,
    supervisor,
    database,
    log,
    lost: database.lost,
    reload: reloads.reload,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

async function mintFirstKey(keys: Keys): Promise<Ostiary['firstKey']> {
  const name = 'First key (sandbox, 24 h)'
  const { record, secret } = await keys.mint(
    { name, environment: 'test', lifetimeMs: FIRST_KEY_LIFETIME_MS },
    internalActor('start'),
  )
  return { secret, expiresAt: record.expiresAt as number }
}

/** How long after its issue a token of the issuer can be good, in ms; undefined = there is no such issuer. */
function longestLifetime(issuer: string, { issuers }: LoadedConfig['config']): number | undefined {
  const found = Object.hasOwn(issuers, issuer) ? issuers[issuer] : undefined
  return found && (found.maxLifetimeSeconds + found.clockSkewSeconds) * 1000
}

interface AdminParts extends KeyRooms {
  readonly config: LoadedConfig['config']
  readonly dataDirectory: DataDirectory
  readonly reloads: Reloads
  readonly liveSecrets: LiveSecrets
  readonly issuers: AdminOptions['issuers']
  readonly identityKeys: IdentityKeyKeeping
  readonly revocations: Revocations
  readonly supervisor: Supervisor
  readonly store: Store
  readonly log: Logger
  /** The supervisor's own. */
  readonly meter: Meter
  readonly metrics: () => Promise<string>
}

async function openAdmin(opened: AsyncDisposableStack, parts: AdminParts): Promise<{ port: number }> {
  const { config, supervisor, store, log } = parts
  const { host, port, url } = config.listeners.admin
  const { bootstrapTokenFile, deploymentSecret } = parts.dataDirectory
  const recorder = opened.use(
    createRecorder({
      events: store.events,
      worker: SUPERVISOR,
      clock: systemClock,
      mode: 'batched',
      onTrouble: error =>
        error !== null && log.error({ err: error }, 'refusals of the admin listener wait to be written'),
    }),
  )
  const server: AdminServer = createAdminServer({
    keys: parts.keys,
    projects: parts.projects,
    bulk: parts.bulk,
    leaks: parts.leaks,
    events: store.events,
    usage: store.usage,
    tokens: createOperatorTokens({
      store: store.tokens,
      projects: store.projects,
      clock: systemClock,
      maxLifetimeDays: config.admin.tokens.maxLifetimeDays,
      onBootstrapEnded: () => rmSync(bootstrapTokenFile, { force: true }),
    }),
    idempotency: store.idempotency,
    deploymentSecret,
    onRefused(refusal) {
      parts.meter.add(table.problems, 1, refusal.problem)
      recorder.refused(refusal)
    },
    origin: url,
    notReady: async () => {
      const missing = supervisor.workers.length === 0 ? ['workers'] : []
      if (!supervisor.recording) missing.push('events')
      await store.ping().catch(() => missing.push('store'))
      return missing
    },
    reload: parts.reloads.reload,
    secrets: parts.liveSecrets,
    issuers: parts.issuers,
    policies: createLivePolicies({ current: parts.reloads.current, clock: systemClock }),
    identityKeys: parts.identityKeys,
    revocations: parts.revocations,
    metrics: parts.metrics,
    clock: systemClock,
    logFailure: (request, error) => log.error({ err: error, request }, 'an admin operation failed by a defect'),
  })
  opened.defer(() => server.close())
  await server.listen({ host, port: await claimPort(host, port) })
  return { port: (server.server.address() as AddressInfo).port }
}
