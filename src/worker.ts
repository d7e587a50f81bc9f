import { inspect } from 'node:util'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { createRecorder } from '#audit/recorder.ts'
import type { Config } from '#config/schema.ts'
import { SecretValues } from '#config/secrets.ts'
import { systemClock } from '#core/clock.ts'
import { stopDrains } from '#gateway/drains.ts'
import { createPipeline } from '#gateway/pipeline.ts'
import { type Listener, openListener } from '#http/listener.ts'
import { createKeyFormat } from '#keys/format.ts'
import { createLastUsed } from '#keys/last-used.ts'
import { createKeyVerifier } from '#keys/verifier.ts'
import { compileCeilings } from '#policy/compile-ceilings.ts'
import type { CallStore } from '#store/ports.ts'
import { openClient, type SqliteCallStore, sqliteCallStore } from '#store/sqlite/call-store.ts'
import { compileGeneration, type OpenGeneration } from './generation.ts'

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
  readonly generation: GenerationSeed
  /** Line to the database thread; null with PostgreSQL. */
  readonly database: MessagePort | null
}

export type WorkerOrder =
  | { readonly type: 'prepare'; readonly generation: GenerationSeed }
  | { readonly type: 'commit' }
  | { readonly type: 'database'; readonly port: MessagePort }
  | { readonly type: 'drain' }

export type WorkerNotice =
  | { readonly type: 'ready' }
  | { readonly type: 'prepared'; readonly number: number; readonly error: string | null }
  | { readonly type: 'drained' }
  | { readonly type: 'recording'; readonly works: boolean }
  | { readonly type: 'log'; readonly level: LogLevel; readonly fields: object | null; readonly message: string }

type LogLevel = 'info' | 'error'

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
    compileCeilings,
    changes: store.changes,
    cacheSize: config.keys.cacheSize,
    clock: systemClock,
  })
  const lastUsed = createLastUsed(store.keys)
  const compile = ({ number, config, secrets }: GenerationSeed) =>
    compileGeneration(number, config, SecretValues.fromTransferable(secrets), verifyKey)
  let current = compile(seed.generation)
  const listener = await openListener({
    host: config.listeners.public.host,
    port: seed.port,
    reusePort: seed.reusePort,
    maxConnections: config.requests.maxConnections,
    headTimeoutMs: config.requests.headTimeoutMs,
    timeoutMs: config.requests.timeoutMs,
    handle: createPipeline({
      current: () => current,
      worker: seed.index,
      recorder: {
        ensureRecordable: () => recorder.ensureRecordable(),
        admit: recorder.admit,
        record(event) {
          lastUsed.observe(event)
          return recorder.record(event)
        },
      },
      clock: systemClock,
      logFailure: (call, error) => log('error', { call, error }, 'a call failed by a defect'),
    }),
    onMalformed: (id, source, problem) =>
      recorder.refused({
        id,
        at: Date.now(),
        source,
        route: null,
        problem: problem.code,
        reason: problem.reason ?? null,
        credential: null,
      }),
  })
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
      case 'drain':
        return void drain(listener, config.drainTimeoutMs, [current, recorder, lastUsed, store])
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
function log(level: LogLevel, fields: { call?: string; error: unknown } | null, message: string): void {
  tell({ type: 'log', level, fields: fields && { ...fields, error: inspect(fields.error) }, message })
}

function tell(notice: WorkerNotice): void {
  parentPort?.postMessage(notice)
}

await run(workerData as WorkerSeed)
