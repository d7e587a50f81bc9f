import type { MessagePort } from 'node:worker_threads'
import type { Change } from '#store/ports.ts'
import type { Connection } from './connections.ts'
import { type Message, monotonicMs } from './messages.ts'

const HEARTBEAT_MS = 1000
const TABLE_EXISTS = "select 1 from sqlite_schema where type = 'table' and name = 'changes'"
const NEWEST = 'select coalesce(max(seq), 0) as seq from changes'
const AFTER = 'select seq, topic, subject from changes where seq > ? order by seq'

/**
 * Tells every client what was committed. Reading and telling is one step of the one thread that also answers look-ups,
 * so an answer computed before a commit is always posted before that commit's change.
 */
export class Broadcast implements Disposable {
  readonly #reader: Connection
  /** How far each client has been told. */
  readonly #followers = new Map<MessagePort, number>()
  readonly #timer: NodeJS.Timeout
  #tableExists = false
  /** The newest change that was told. */
  #seq: number

  /** Throws SQLite's errors. */
  constructor(reader: Connection) {
    this.#reader = reader
    this.#seq = this.#newest()
    this.#timer = setInterval(() => this.#beat(), HEARTBEAT_MS).unref()
  }

  follow(port: MessagePort, after: number | null): void {
    this.#followers.set(port, after ?? this.#seq)
    this.#beat()
  }

  leave(port: MessagePort): void {
    this.#followers.delete(port)
  }

  /** To be called after each commit. What could not be read now is told by a later beat, and none is sent before. */
  committed(): void {
    try {
      this.#publish()
    } catch {}
  }

  /** A store that cannot be read stays silent, and its clients stop trusting what they remember. */
  #beat(): void {
    const at = monotonicMs()
    try {
      this.#publish()
    } catch {
      return
    }
    for (const port of this.#followers.keys()) post(port, { type: 'heartbeat', at, seq: this.#seq })
  }

  #publish(): void {
    if (!this.#hasTable()) return
    const from = Math.min(this.#seq, ...this.#followers.values())
    const changes = this.#reader.run({ sql: AFTER, parameters: [from] }).rows as readonly Change[]
    this.#seq = changes.at(-1)?.seq ?? this.#seq
    for (const [port, seq] of this.#followers) {
      const untold = changes.filter(change => change.seq > seq)
      if (untold.length > 0) post(port, { type: 'changes', changes: untold })
      this.#followers.set(port, this.#seq)
    }
  }

  #newest(): number {
    if (!this.#hasTable()) return 0
    return (this.#reader.run({ sql: NEWEST, parameters: [] }).rows[0] as { seq: number }).seq
  }

  /** Clients may be there before the first migration. */
  #hasTable(): boolean {
    this.#tableExists ||= this.#reader.run({ sql: TABLE_EXISTS, parameters: [] }).rows.length > 0
    return this.#tableExists
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

function post(port: MessagePort, message: Message): void {
  port.postMessage(message)
}
