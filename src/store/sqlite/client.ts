import type { MessagePort } from 'node:worker_threads'
import { Problem } from '#core/problems.ts'
import type { UsageDelta } from '#core/usage-delta.ts'
import { ReceivedChanges } from '#store/changes.ts'
import type { DecisionRow } from '#store/ports.ts'
import { type Message, monotonicMs, type Request, type Statement, type StatementResult } from './messages.ts'
import { sqliteProblem } from './problems.ts'

/** How much longer the client waits than the thread, so that the thread's own reason arrives. */
const GRACE_MS = 100

export interface SqliteClientOptions {
  /** Bound of a request, and of a transaction as a whole. */
  readonly timeoutMs: number
  /** How long a write transaction may hold the database. */
  readonly leaseMs: number
}

interface Pending {
  resolve(result: StatementResult): void
  reject(error: Error): void
  readonly timer: NodeJS.Timeout
}

/** One thread's side of the conversation with the database thread. Every failure rejects with a `Problem`. */
export class SqliteClient {
  readonly changes = new ReceivedChanges()
  readonly #options: SqliteClientOptions
  readonly #pending = new Map<number, Pending>()
  #port: MessagePort | null = null
  #lastId = 0

  constructor(port: MessagePort, options: SqliteClientOptions) {
    this.#options = options
    this.attach(port)
  }

  /** Speaks through this port from now on. What was asked through the one before is refused: it may never be answered. */
  attach(port: MessagePort): void {
    this.#detach(this.#port)
    this.#port = port
    port.on('message', (message: Message) => this.#receive(message))
    port.on('close', () => this.#detach(port))
    this.#post({ type: 'follow', after: this.changes.seq })
  }

  read(statement: Statement): Promise<StatementResult> {
    const deadline = this.#deadline()
    return this.#ask(deadline, id => ({ type: 'read', id, deadline, ...statement }))
  }

  /** A statement that is its own transaction. */
  write(statement: Statement): Promise<StatementResult> {
    const deadline = this.#deadline()
    return this.#ask(deadline, id => ({ type: 'write', id, deadline, ...statement }))
  }

  /** Resolves to the row at which the chain stands afterwards. */
  append(row: DecisionRow, usage: readonly UsageDelta[]): Promise<StatementResult> {
    const deadline = this.#deadline()
    return this.#ask(deadline, id => ({ type: 'append', id, deadline, row, usage }))
  }

  async begin(): Promise<Lease> {
    const deadline = this.#deadline()
    const port = this.#port
    let lease = 0
    try {
      await this.#ask(deadline, id => {
        lease = id
        return { type: 'begin', id, deadline, leaseMs: this.#options.leaseMs }
      })
    } catch (error) {
      this.#end(port, lease)
      throw error
    }
    return {
      run: statement => this.#askWithin(port, deadline, id => ({ type: 'run', id, lease, ...statement })),
      commit: () => this.#askWithin(port, deadline, id => ({ type: 'commit', id, lease })),
      rollback: () => this.#end(port, lease),
    }
  }

  close(): void {
    const port = this.#port
    this.#detach(port)
    port?.close()
  }

  #deadline(): number {
    return monotonicMs() + this.#options.timeoutMs
  }

  /** Not awaited: messages of one port keep their order, and a thread that is stuck would make a failure wait twice. */
  #end(port: MessagePort | null, lease: number): void {
    if (port === this.#port) this.#post({ type: 'rollback', lease })
  }

  /** A lease lives and dies with the port that it was granted through. */
  #askWithin(port: MessagePort | null, deadline: number, request: (id: number) => Request): Promise<StatementResult> {
    if (port !== this.#port) return Promise.reject(unavailable('the database thread was replaced'))
    return this.#ask(deadline, request)
  }

  #ask(deadline: number, request: (id: number) => Request): Promise<StatementResult> {
    if (this.#port === null) return Promise.reject(unavailable('the database thread is gone'))
    const id = ++this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<StatementResult>()
    const timer = setTimeout(
      () => {
        this.#pending.delete(id)
        reject(unavailable('the database thread did not answer in time'))
      },
      deadline - monotonicMs() + GRACE_MS,
    )
    this.#pending.set(id, { resolve, reject, timer })
    this.#post(request(id))
    return promise
  }

  #post(request: Request): void {
    this.#port?.postMessage(request)
  }

  #receive(message: Message): void {
    switch (message.type) {
      case 'done':
        this.#take(message.id)?.resolve(message.result)
        break
      case 'failed':
        this.#take(message.id)?.reject(sqliteProblem(message.error))
        break
      case 'changes':
        this.changes.deliver(message.changes)
        break
      case 'heartbeat':
        // The message may have waited for this event loop: what counts is when the thread sent it.
        this.changes.heard(performance.now() - (monotonicMs() - message.at), message.seq)
        break
    }
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (pending !== undefined) clearTimeout(pending.timer)
    return pending
  }

  #detach(port: MessagePort | null): void {
    if (port === null || port !== this.#port) return
    this.#port = null
    port.removeAllListeners()
    for (const id of [...this.#pending.keys()]) this.#take(id)?.reject(unavailable('the database thread is gone'))
  }
}

/** The right to write, alone, until it ends. */
export interface Lease {
  run(statement: Statement): Promise<StatementResult>
  commit(): Promise<StatementResult>
  rollback(): void
}

function unavailable(why: string): Problem {
  return new Problem('store.unavailable', { cause: new Error(why) })
}
