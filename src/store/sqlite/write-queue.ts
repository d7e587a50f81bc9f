import type { MessagePort } from 'node:worker_threads'
import { appendDecisions } from './append-decisions.ts'
import type { Connection } from './connections.ts'
import {
  type Message,
  monotonicMs,
  type Request,
  type SqliteFailure,
  type Statement,
  type StatementResult,
} from './messages.ts'
import { isBusy, sqliteFailure } from './problems.ts'

const RETRY_MS = 10
const NOTHING: StatementResult = { rows: [], changes: 0 }
const TOO_LATE: SqliteFailure = { message: 'the turn to write came too late', code: null }

type Write = Extract<Request, { type: 'write' | 'append' | 'begin' }>

interface Waiting {
  readonly port: MessagePort
  readonly request: Write
}

interface Lease {
  readonly port: MessagePort
  readonly id: number
  readonly timer: NodeJS.Timeout
}

/**
 * Who may write, one at a time and in turn. A write or a batch of events holds the database for its own transaction;
 * `begin` leases it until commit, rollback, the end of its time or the death of its client, whichever is first.
 */
export class WriteQueue {
  readonly #writer: Connection
  readonly #committed: () => void
  #waiting: Waiting[] = []
  #lease: Lease | null = null
  #retry: NodeJS.Timeout | null = null

  constructor(writer: Connection, committed: () => void) {
    this.#writer = writer
    this.#committed = committed
  }

  enter(port: MessagePort, request: Write): void {
    this.#waiting.push({ port, request })
    this.#advance()
  }

  /** A statement inside a lease. A failed one leaves the transaction as it was, unless SQLite had to end it. */
  run(port: MessagePort, request: Extract<Request, { type: 'run' }>): void {
    this.#answer(port, request.id, () => {
      this.#require(port, request.lease)
      return this.#writer.run(request)
    })
    if (this.#holds(port, request.lease) && !this.#writer.inTransaction) this.#endLease()
  }

  commit(port: MessagePort, request: Extract<Request, { type: 'commit' }>): void {
    this.#answer(port, request.id, () => {
      this.#require(port, request.lease)
      return this.#commit()
    })
    this.rollback(port, request.lease)
  }

  rollback(port: MessagePort, lease: number): void {
    this.#waiting = this.#waiting.filter(waiting => waiting.port !== port || waiting.request.id !== lease)
    if (this.#holds(port, lease)) this.#endLease()
  }

  /** The client is gone: nothing it asked for is done any more. */
  leave(port: MessagePort): void {
    this.#waiting = this.#waiting.filter(waiting => waiting.port !== port)
    if (this.#lease?.port === port) this.#endLease()
  }

  #advance(): void {
    while (this.#lease === null && this.#retry === null) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      if (monotonicMs() > next.request.deadline) {
        reply(next.port, { type: 'failed', id: next.request.id, error: TOO_LATE })
        continue
      }
      try {
        this.#writer.run({ sql: 'begin immediate', parameters: [] })
      } catch (error) {
        this.#waitOrRefuse(next, error)
        continue
      }
      this.#start(next)
    }
  }

  /** Another process may hold the lock for a moment: its turn stays first until its client gives up. */
  #waitOrRefuse(next: Waiting, error: unknown): void {
    if (!isBusy(error) || monotonicMs() + RETRY_MS > next.request.deadline) {
      reply(next.port, { type: 'failed', id: next.request.id, error: sqliteFailure(error) })
      return
    }
    this.#waiting.unshift(next)
    this.#retry = setTimeout(() => {
      this.#retry = null
      this.#advance()
    }, RETRY_MS)
  }

  #start({ port, request }: Waiting): void {
    switch (request.type) {
      case 'begin':
        this.#lease = { port, id: request.id, timer: setTimeout(() => this.#endLease(), request.leaseMs) }
        reply(port, { type: 'done', id: request.id, result: NOTHING })
        break
      case 'write':
        this.#answer(port, request.id, () => this.#write(request))
        this.#rollback()
        break
      case 'append':
        this.#answer(port, request.id, () => this.#append(request))
        this.#rollback()
        break
    }
  }

  #write(statement: Statement): StatementResult {
    const result = this.#writer.run(statement)
    this.#commit()
    return result
  }

  #append({ row, usage }: Extract<Request, { type: 'append' }>): StatementResult {
    const head = appendDecisions(this.#writer, row, usage)
    this.#writer.run({ sql: 'commit', parameters: [] })
    return { rows: [head], changes: 0 }
  }

  #commit(): StatementResult {
    this.#writer.run({ sql: 'commit', parameters: [] })
    // Before the writer's answer: whoever knows that a revocation is done may rely on every client having been told.
    this.#committed()
    return NOTHING
  }

  #holds(port: MessagePort, lease: number): boolean {
    return this.#lease?.port === port && this.#lease.id === lease
  }

  #require(port: MessagePort, lease: number): void {
    if (!this.#holds(port, lease)) throw new Error('the write transaction is no longer held')
  }

  #endLease(): void {
    if (this.#lease !== null) clearTimeout(this.#lease.timer)
    this.#lease = null
    this.#rollback()
    this.#advance()
  }

  /** Ends what a failure left open; after a commit there is nothing to do. */
  #rollback(): void {
    if (this.#writer.inTransaction) this.#writer.run({ sql: 'rollback', parameters: [] })
  }

  #answer(port: MessagePort, id: number, work: () => StatementResult): void {
    try {
      const result = work()
      reply(port, { type: 'done', id, result })
    } catch (error) {
      reply(port, { type: 'failed', id, error: sqliteFailure(error) })
    }
  }
}

function reply(port: MessagePort, message: Message): void {
  port.postMessage(message)
}
