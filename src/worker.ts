import { inspect } from 'node:util'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { createRecorder } from '#audit/recorder.ts'
import type { Config } from '#config/schema.ts'
import { SecretValues } from '#config/secrets.ts'
import { systemClock } from '#core/clock.ts'
import { compileAddresses } from '#core/compile-addresses.ts'
import { newId } from '#core/ids.ts'
import { Problem } from '#core/problems.ts'
import { stopDrains } from '#gateway/drains.ts'
import { answerKeySet, asksForKeySet } from '#gateway/identity-key-set.ts'
import { createLeakIntake, isLeakReport } from '#gateway/leak-intake.ts'
import { createLoopTurns } from '#gateway/loop-turns.ts'
import { createOverload } from '#gateway/overload.ts'
import { createPipeline } from '#gateway/pipeline.ts'
import { answerResourceMetadata, asksForResourceMetadata } from '#gateway/resource-metadata.ts'
import { TunnelWatch } from '#gateway/tunnel-watch.ts'
import { createClientFinder } from '#http/client-address.ts'
import { createConnectionCaps } from '#http/connection-caps.ts'
import { type Listener, openListener } from '#http/listener.ts'
import type { KeySchedule } from '#identity/key-schedule.ts'
import { knowIdentityKeys } from '#identity/known-keys.ts'
import type { KeyAnswer, PublishedKeys } from '#issuers/keys/key-set.ts'
import { createKeyFormat } from '#keys/format.ts'
import { createLastUsed } from '#keys/last-used.ts'
import { createKeyVerifier } from '#keys/verifier.ts'
import { createLimiter } from '#limits/limiter.ts'
import { Meter } from '#metrics/meter.ts'
import { observeCall } from '#metrics/observe-call.ts'
import { table } from '#metrics/table.ts'
import { compileKeyCeilings } from '#policy/compile-ceilings.ts'
import type { CallStore } from '#store/ports.ts'
import { openClient, type SqliteCallStore, sqliteCallStore } from '#store/sqlite/call-store.ts'
import { compileSender } from './compile-sender.ts'
import { compileGeneration, type OpenGeneration } from './generation.ts'
import { openIssuerKeyLine } from './issuer-key-line.ts'
import type { KeyQuestion } from './issuer-keys.ts'
import type { BudgetNotice } from './keep-limits.ts'
import { openLeakLine } from './leak-line.ts'
import type { LeakAnswer, LeakQuestion } from './leaked-keys.ts'
import { listenerUrl } from './listener-url.ts'

/** One configuration on its way into a thread; secrets in the clear, because `Secret` does not survive a clone. */
export interface GenerationSeed {
  readonly number: number
  readonly config: Config
  readonly secrets: ReturnType<SecretValues['toTransferable']>
}

/** All that a worker begins with. */
export interface WorkerSeed {
  readonly index: number
  /** Port that all workers share. */
  readonly port: number
  readonly reusePort: boolean
  readonly pepper: Uint8Array
  readonly deploymentSecret: Uint8Array
  /** Counts of open connections, shared by all workers. */
  readonly connections: SharedArrayBuffer
  /** Proofs of possession that were used, shared by all workers. */
  readonly proofs: SharedArrayBuffer
  /** Numbers of this worker's metrics. */
  readonly metrics: SharedArrayBuffer
  /** Shared by all workers: rates, calls at once and budgets. */
  readonly counters: SharedArrayBuffer
  /** Names this run of the gateway in the store. */
  readonly epoch: string
  /** Keys of identity tokens, as they are now. */
  readonly identityKeys: KeySchedule
  readonly generation: GenerationSeed
  /** Line to the database thread; null with PostgreSQL. */
  readonly database: MessagePort | null
}

export type WorkerOrder =
  | { readonly type: 'prepare'; readonly generation: GenerationSeed }
  | { readonly type: 'commit' }
  | { readonly type: 'database'; readonly port: MessagePort }
  | { readonly type: 'leak'; readonly number: number; readonly answer: LeakAnswer }
  | { readonly type: 'issuer'; readonly number: number; readonly answer: KeyAnswer }
  | { readonly type: 'issuer_keys'; readonly published: PublishedKeys }
  | { readonly type: 'identity_keys'; readonly keys: KeySchedule }
  | { readonly type: 'drain' }

export type WorkerNotice =
  | { readonly type: 'ready' }
  | { readonly type: 'prepared'; readonly number: number; readonly error: string | null }
  | { readonly type: 'drained' }
  | { readonly type: 'recording'; readonly works: boolean }
  | { readonly type: 'budget'; readonly notice: BudgetNotice }
  | { readonly type: 'leak'; readonly number: number; readonly question: LeakQuestion }
  | { readonly type: 'issuer'; readonly number: number; readonly question: KeyQuestion }
  | { readonly type: 'log'; readonly level: LogLevel; readonly fields: object | null; readonly message: string }

type LogLevel = 'info' | 'error'
type LogFields = { call?: string; error: unknown } | { issuer: string; trouble?: string }

/** How often what is as it is now is measured anew. */
const METRICS_INTERVAL_MS = 1000

/** Thread of one worker: the public listener and the pipeline behind it. */
async function run(seed: WorkerSeed): Promise<void> {
  const { config } = seed.generation
  const store = await openStore(seed)
  const recorder = createRecorder({
    events: store.events,
    worker: seed.index,
    clock: systemClock,
    mode: config.audit.mode,
    onTrouble(error) {
      tell({ type: 'recording', works: error === null })
      if (error === null) log('info', null, 'events are written again')
      else
        log('error', { error }, 'events cannot be written; calls are refused once the bound of waiting ones is reached')
    },
  })
  const verifyKey = createKeyVerifier({
    format: createKeyFormat(config.keys.prefix, Buffer.from(seed.deploymentSecret)),
    pepper: Buffer.from(seed.pepper),
    keys: store.keys,
    compileCeilings: compileKeyCeilings,
    changes: store.changes,
    cacheSize: config.keys.cacheSize,
    clock: systemClock,
  })
  const lastUsed = createLastUsed(store.keys)
  const issuerKeys = openIssuerKeyLine(
    (number, question) => tell({ type: 'issuer', number, question }),
    () => performance.now(),
  )
  const publicUrl = listenerUrl(config.listeners.public, seed.port)
  const checkSender = compileSender(config, seed)
  const identityKeys = knowIdentityKeys(seed.identityKeys)
  const compile = ({ number, config, secrets }: GenerationSeed) =>
    compileGeneration(number, config, SecretValues.fromTransferable(secrets), {
      verifyKey,
      checkSender,
      identityKeys,
      publicUrl,
      issuerKeys,
      revocations: store.revocations,
      changes: store.changes,
      clock: systemClock,
      onIntrospection: logIntrospection,
    })
  let current = compile(seed.generation)
  const meter = new Meter(seed.metrics)
  const overload = createOverload({ ...config.overload, onShed: reason => meter.add(table.shed, 1, reason) })
  const onRefused = (route: string | null) => (id: string, source: string, problem: Problem) => {
    meter.add(table.problems, 1, problem.code)
    const { code, reason = null } = problem
    recorder.refused({ id, at: Date.now(), source, route, problem: code, reason, credential: null })
  }
  const refused = onRefused(null)
  const limiter = createLimiter({
    memory: seed.counters,
    worker: seed.index,
    allowances: store.allowances,
    findSpent: query => store.allowances.spent(query),
    epoch: seed.epoch,
    clock: systemClock,
    onThreshold: notice => tell({ type: 'budget', notice: { type: 'threshold', ...notice } }),
    onOverrun: notice => tell({ type: 'budget', notice: { type: 'overrun', ...notice } }),
  })
  const logFailure = (call: string, error: unknown) => log('error', { call, error }, 'a call failed by a defect')
  const pipeline = createPipeline({
    overload,
    tunnels: new TunnelWatch({ current: () => current, clock: systemClock, logFailure }),
    limiter,
    takeTurn: createLoopTurns(),
    current: () => current,
    worker: seed.index,
    recorder: {
      ensureRecordable: () => recorder.ensureRecordable(),
      admit: recorder.admit,
      begun: event => recorder.begun(event),
      record(event) {
        lastUsed.observe(event)
        observeCall(meter, event)
        return recorder.record(event)
      },
    },
    clock: systemClock,
    logFailure,
  })
  const leakLine = openLeakLine(config.keys.leakReports, (number, question) => tell({ type: 'leak', number, question }))
  const takeLeakReport =
    leakLine &&
    createLeakIntake({
      ...leakLine,
      clock: systemClock,
      onRefused: onRefused('leaked_keys'),
      logFailure: (call, error) => log('error', { call, error }, 'a report of leaked keys failed by a defect'),
    })
  const { trustedProxies, proxyProtocol } = config.listeners.public
  const listener = await openListener({
    host: config.listeners.public.host,
    port: seed.port,
    reusePort: seed.reusePort,
    maxConnections: config.requests.maxConnections,
    headTimeoutMs: config.requests.headTimeoutMs,
    timeoutMs: config.requests.timeoutMs,
    caps: createConnectionCaps({
      memory: seed.connections,
      worker: seed.index,
      maxConnections: config.requests.maxConnectionsPerAddress,
      maxNewPerSecond: config.requests.maxNewConnectionsPerAddress,
      uncapped: [...config.requests.uncappedAddresses, ...trustedProxies],
      clock: systemClock,
    }),
    findClient: createClientFinder(config.listeners.public),
    proxyProtocolOf: proxyProtocol === 'required' ? compileAddresses(trustedProxies) : undefined,
    handle(req, res, client) {
      const { resourceMetadata, allowsAddress } = current
      // From where nobody may call, the pipeline says so.
      const isAllowed = typeof client === 'string' && (allowsAddress?.(client) ?? true)
      if (isAllowed && resourceMetadata !== null && asksForResourceMetadata(req))
        return answerResourceMetadata(res, resourceMetadata)
      if (isAllowed && asksForKeySet(req)) return answerKeySet(res, identityKeys.keySet())
      const isReport = isAllowed && takeLeakReport !== null && isLeakReport(req)
      const handled = isReport ? Promise.try(takeLeakReport, req, res, client) : pipeline(req, res, client)
      // They answer whatever happens: what comes here is a defect, and costs its own call only.
      handled.catch(error => {
        log('error', { error }, 'a call failed by a defect')
        res.destroy()
      })
    },
    onMalformed: refused,
    onCapped(source, cap) {
      meter.add(table.cappedConnections, 1, cap)
      refused(newId('req', Date.now()), source, new Problem('request.too_many_connections', { reason: cap }))
    },
  })
  setInterval(() => {
    meter.set(table.running, overload.running())
    meter.set(table.connections, listener.connections())
    meter.set(table.eventsWaiting, recorder.waiting())
    for (const [stat, ms] of Object.entries(overload.delay.percentiles())) meter.set(table.loopDelay, ms / 1000, stat)
  }, METRICS_INTERVAL_MS).unref()
  let prepared: OpenGeneration | undefined
  const swap = () => {
    if (prepared === undefined) return
    const old = current
    current = prepared
    prepared = undefined
    // Not awaited: its running exchanges may take as long as they do.
    void old[Symbol.asyncDispose]()
  }
  parentPort?.on('message', (order: WorkerOrder) => {
    switch (order.type) {
      case 'prepare':
        try {
          // One that was never committed is not needed any more.
          void prepared?.[Symbol.asyncDispose]()
          prepared = compile(order.generation)
          return tell({ type: 'prepared', number: order.generation.number, error: null })
        } catch (error) {
          return tell({ type: 'prepared', number: order.generation.number, error: String(error) })
        }
      case 'commit':
        return swap()
      case 'database':
        return (store as SqliteCallStore).reattach(order.port)
      case 'leak':
        return leakLine?.onAnswer(order.number, order.answer)
      case 'issuer':
        return issuerKeys.onAnswer(order.number, order.answer)
      case 'issuer_keys':
        return issuerKeys.learn(order.published)
      case 'identity_keys':
        return identityKeys.learn(order.keys)
      case 'drain':
        return void drain(listener, config.drainTimeoutMs, [current, recorder, lastUsed, limiter, store])
    }
  })
  tell({ type: 'ready' })
}

/**
 * Lets the running calls end, writes their events, then ends the thread. The generation comes first: it is closed when
 * its last call has been recorded.
 */
async function drain(listener: Listener, timeoutMs: number, open: readonly AsyncDisposable[]): Promise<void> {
  await listener.drain(timeoutMs)
  stopDrains()
  for (const resource of open) await resource[Symbol.asyncDispose]()
  tell({ type: 'drained' })
  parentPort?.close()
}

async function openStore(seed: WorkerSeed): Promise<CallStore> {
  const { config, secrets } = seed.generation
  if (config.store.kind === 'sqlite') return sqliteCallStore(openClient(seed.database as MessagePort))
  const url = SecretValues.fromTransferable(secrets).get(config.store.url)
  // Loaded where it is used: a worker on SQLite has no need of it.
  const { openPostgresCallStore } = await import('#store/postgres/call-store.ts')
  return openPostgresCallStore({ url: url.reveal(), poolSize: config.store.poolSize })
}

/** There is one log, and the supervisor writes it. */
function log(level: LogLevel, fields: LogFields | null, message: string): void {
  const shown = fields !== null && 'error' in fields ? { ...fields, error: inspect(fields.error) } : fields
  tell({ type: 'log', level, fields: shown, message })
}

function logIntrospection(issuer: string, trouble: string | null): void {
  if (trouble === null) log('info', { issuer }, 'the introspection endpoint answers again')
  else log('error', { issuer, trouble }, `${whatIsWrong(trouble)}; tokens unknown here are answered 503`)
}

function whatIsWrong(trouble: string): string {
  return trouble === 'introspection_client_refused'
    ? 'the introspection endpoint refuses the gateway’s own client: clientId or clientSecret is wrong'
    : 'the introspection endpoint does not answer as it should'
}

function tell(notice: WorkerNotice): void {
  parentPort?.postMessage(notice)
}

await run(workerData as WorkerSeed)
