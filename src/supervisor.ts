import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { createReplayMemory } from '#auth/dpop/replay-memory.ts'
import type { Config } from '#config/schema.ts'
import { systemClock } from '#core/clock.ts'
import { Problem } from '#core/problems.ts'
import { createConnectionMemory, forgetConnections } from '#http/connection-table.ts'
import { claimPort } from '#http/listener.ts'
import type { KeySchedule } from '#identity/key-schedule.ts'
import type { PublishedKeys } from '#issuers/keys/key-set.ts'
import { createMetricsMemory, Meter } from '#metrics/meter.ts'
import type { DatabaseThread } from '#store/sqlite/open.ts'
import type { IssuerKeySource } from './issuer-keys.ts'
import type { BudgetNotice } from './keep-limits.ts'
import type { LeakAnswer, LeakQuestion } from './leaked-keys.ts'
import type { GenerationSeed, WorkerNotice, WorkerOrder, WorkerSeed } from './worker.ts'

/** Where SO_REUSEPORT spreads connections over threads; elsewhere one worker serves alone. */
const SPREADS_CONNECTIONS = process.platform === 'linux' || process.platform === 'freebsd'
const REPLACE_DELAY_MS = 100
const MAX_REPLACE_DELAY_MS = 5000
/** What a worker may take beyond the bound of its calls, to write their events. */
const STOP_GRACE_MS = 10_000

interface SupervisorOptions {
  readonly pepper: Buffer
  readonly deploymentSecret: Buffer
  readonly generation: GenerationSeed
  /** The running database thread; null with PostgreSQL. */
  readonly database: () => DatabaseThread | null
  /** What a worker has to say; the supervisor's thread writes the one log. */
  readonly onLog: (index: number, notice: Extract<WorkerNotice, { type: 'log' }>) => void
  /** Answers what workers ask for reports of leaked keys. */
  readonly onLeak: (question: LeakQuestion) => Promise<LeakAnswer>
  /** Keys of issuers: answers what workers ask, and knows what new ones are told. */
  readonly issuerKeys: Pick<IssuerKeySource, 'find' | 'published'>
  /** Keys of identity tokens, as they are now. */
  readonly identityKeys: () => KeySchedule
  /** The counters of limits; `reclaim` gives back what a worker held that is no more. */
  readonly limits: {
    readonly memory: SharedArrayBuffer
    readonly epoch: string
    reclaim(worker: number): Promise<void>
  }
  readonly onBudget: (notice: BudgetNotice) => void
  /** Told of a worker that died and is being replaced. */
  readonly onReplaced: (index: number, reason: string) => void
}

/** The workers: starts them on one port, replaces what dies, brings new generations to all of them or to none. */
export interface Supervisor extends AsyncDisposable {
  readonly port: number
  /** Threads that serve now. */
  readonly workers: readonly Worker[]
  /** Whether the events of every worker are being written. */
  readonly recording: boolean
  /** What each worker has measured, by its number. */
  readonly meters: ReadonlyMap<number, Meter>
  /** Rejects with `config.invalid`, and changes nothing, unless every worker can compile the generation. */
  apply(generation: GenerationSeed): Promise<void>
  /** Gives every worker a line to a new database thread. */
  reconnectDatabase(): void
  /** Tells every worker of keys of an issuer. */
  publishKeys(published: PublishedKeys): void
  /** Tells every worker of the keys of identity tokens. */
  publishIdentityKeys(keys: KeySchedule): void
}

export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const { listeners } = options.generation.config
  const port = await claimPort(listeners.public.host, listeners.public.port)
  const supervisor = new ThreadSupervisor(options, port)
  await supervisor.start()
  return supervisor
}

/** How many workers a configuration asks for, here. */
export function workerCount(config: Config): number {
  if (!SPREADS_CONNECTIONS) return 1
  return config.workers === 'auto' ? availableParallelism() : config.workers
}

class ThreadSupervisor implements Supervisor {
  readonly port: number
  readonly #options: SupervisorOptions
  readonly #threads = new Map<number, Worker>()
  #generation: GenerationSeed
  #stopping = false
  #failures = 0
  #turn: Promise<void> = Promise.resolve()
  readonly #notRecording = new Set<number>()
  readonly #connections: SharedArrayBuffer
  readonly #proofs: SharedArrayBuffer
  /** They outlive their workers: what was counted stays counted. */
  readonly #metrics = new Map<number, SharedArrayBuffer>()
  readonly meters = new Map<number, Meter>()

  constructor(options: SupervisorOptions, port: number) {
    this.#options = options
    this.#generation = options.generation
    this.port = port
    const { config } = options.generation
    const count = workerCount(config)
    this.#connections = createConnectionMemory(count, count * config.requests.maxConnections, randomInt(2 ** 32))
    this.#proofs = createReplayMemory(config.dpop.rememberedProofs, systemClock)
    for (let index = 1; index <= count; index++) {
      const memory = createMetricsMemory()
      this.#metrics.set(index, memory)
      this.meters.set(index, new Meter(memory))
    }
  }

  get workers(): readonly Worker[] {
    return [...this.#threads.values()]
  }

  get recording(): boolean {
    return this.#notRecording.size === 0
  }

  async start(): Promise<void> {
    const count = workerCount(this.#generation.config)
    const starts = Array.from({ length: count }, (_, i) => this.#startWorker(i + 1, count > 1))
    const results = await Promise.allSettled(starts)
    const failed = results.find(result => result.status === 'rejected')
    if (failed === undefined) return
    await this[Symbol.asyncDispose]()
    throw failed.reason
  }

  async #startWorker(index: number, reusePort: boolean): Promise<void> {
    const thread = this.#options.database()
    const database = thread?.connect() ?? null
    const seed: WorkerSeed = {
      index,
      port: this.port,
      reusePort,
      pepper: this.#options.pepper,
      deploymentSecret: this.#options.deploymentSecret,
      connections: this.#connections,
      proofs: this.#proofs,
      metrics: this.#metrics.get(index) as SharedArrayBuffer,
      counters: this.#options.limits.memory,
      epoch: this.#options.limits.epoch,
      identityKeys: this.#options.identityKeys(),
      generation: this.#generation,
      database,
    }
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: seed,
      transferList: database === null ? [] : [database],
      // A small young generation: short-lived garbage of calls is collected often and cheaply, and memory stays flat.
      resourceLimits: { maxYoungGenerationSizeMb: 24, maxOldGenerationSizeMb: 1024 },
    })
    worker.setMaxListeners(0)
    worker.on('message', (notice: WorkerNotice) => {
      if (notice.type === 'log') this.#options.onLog(index, notice)
      if (notice.type === 'budget') this.#options.onBudget(notice.notice)
      if (notice.type === 'leak') {
        const { number, question } = notice
        void this.#options.onLeak(question).then(answer => order(worker, { type: 'leak', number, answer }))
      }
      if (notice.type === 'issuer') {
        const { number, question } = notice
        void this.#options.issuerKeys.find(question).then(answer => order(worker, { type: 'issuer', number, answer }))
      }
      if (notice.type === 'recording') {
        if (notice.works) this.#notRecording.delete(index)
        else this.#notRecording.add(index)
      }
    })
    const ended = new Promise<string>(resolve => {
      worker.once('error', error => resolve(String(error)))
      worker.once('exit', code => resolve(`exit code ${code}`))
    })
    const started = await Promise.race([heard(worker, 'ready'), ended])
    if (typeof started === 'string') throw new Problem('gateway.internal', { detail: `worker ${index}: ${started}` })
    if (this.#stopping) return void worker.terminate()
    await this.#inTurn(async () => {
      if (seed.generation !== this.#generation) await this.#prepare([worker], this.#generation)
      this.#threads.set(index, worker)
      for (const published of this.#options.issuerKeys.published()) order(worker, { type: 'issuer_keys', published })
      order(worker, { type: 'identity_keys', keys: this.#options.identityKeys() })
      // Replaced while this one was starting: nobody told it yet.
      if (this.#options.database() !== thread) this.#reconnect(worker)
    })
    void ended.then(reason => this.#replace(index, reusePort, reason))
  }

  async #replace(index: number, reusePort: boolean, reason: string): Promise<void> {
    this.#threads.delete(index)
    this.#notRecording.delete(index)
    forgetConnections(this.#connections, index)
    this.meters.get(index)?.clearGauges()
    if (this.#stopping) return
    await this.#options.limits.reclaim(index)
    this.#options.onReplaced(index, reason)
    const delay = Math.min(REPLACE_DELAY_MS * 2 ** this.#failures, MAX_REPLACE_DELAY_MS)
    await new Promise(resolve => setTimeout(resolve, this.#failures === 0 ? 0 : delay))
    try {
      await this.#startWorker(index, reusePort)
      this.#failures = 0
    } catch (error) {
      this.#failures++
      void this.#replace(index, reusePort, String(error))
    }
  }

  apply(generation: GenerationSeed): Promise<void> {
    return this.#inTurn(async () => {
      await this.#prepare(this.workers, generation)
      this.#generation = generation
    })
  }

  /** A worker joins before a new generation or after it, never in its middle. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** All compile first; only then do they all change over. */
  async #prepare(workers: readonly Worker[], generation: GenerationSeed): Promise<void> {
    const answers = workers.map(worker => heard(worker, 'prepared'))
    for (const worker of workers) order(worker, { type: 'prepare', generation })
    for (const answer of await Promise.all(answers)) {
      if (answer?.type === 'prepared' && answer.error !== null) {
        throw new Problem('config.invalid', { detail: answer.error })
      }
    }
    for (const worker of workers) order(worker, { type: 'commit' })
  }

  reconnectDatabase(): void {
    for (const worker of this.workers) this.#reconnect(worker)
  }

  publishKeys(published: PublishedKeys): void {
    for (const worker of this.workers) order(worker, { type: 'issuer_keys', published })
  }

  publishIdentityKeys(keys: KeySchedule): void {
    for (const worker of this.workers) order(worker, { type: 'identity_keys', keys })
  }

  #reconnect(worker: Worker): void {
    const port = this.#options.database()?.connect()
    if (port !== undefined) worker.postMessage({ type: 'database', port } satisfies WorkerOrder, [port])
  }

  /** Drains: running calls end within the configured bound. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true
    const ends = this.workers.map(worker => once(worker, 'exit'))
    for (const worker of this.workers) order(worker, { type: 'drain' })
    // A stop ends, whatever a worker waits for.
    const bound = setTimeout(() => {
      for (const worker of this.workers) void worker.terminate()
    }, this.#generation.config.drainTimeoutMs + STOP_GRACE_MS)
    await Promise.all(ends)
    clearTimeout(bound)
  }
}

function order(worker: Worker, message: WorkerOrder): void {
  worker.postMessage(message)
}

/** The worker's next notice of a type; undefined if it ends before. */
function heard<T extends WorkerNotice['type']>(worker: Worker, type: T): Promise<WorkerNotice | undefined> {
  return new Promise(resolve => {
    const settle = (notice?: WorkerNotice) => {
      worker.off('message', listen)
      worker.off('exit', leave)
      resolve(notice)
    }
    const leave = () => settle()
    const listen = (notice: WorkerNotice) => {
      if (notice.type === type) settle(notice)
    }
    worker.on('message', listen)
    worker.on('exit', leave)
  })
}
