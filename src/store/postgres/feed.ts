import { Client } from 'pg'
import { ReceivedChanges } from '#store/changes.ts'
import type { Change } from '#store/ports.ts'
import { clientConfig, type PostgresOptions } from './connections.ts'

export const CHANNEL = 'ostiary_changes'
const POLL_MS = 1000
const RECONNECT_MS = 250
const NEWEST = 'select coalesce(max(seq), 0) as seq from changes'
const AFTER = 'select seq, topic, subject from changes where seq > $1 order by seq'

/**
 * Follows the changes on a connection of its own. A notification says that there is something to read, the table says
 * what; each poll reads too, so that a lost notification or connection loses nothing, and proves that the store answers.
 */
export class PostgresFeed implements AsyncDisposable {
  readonly changes = new ReceivedChanges()
  /** Settles after the first attempt: from then on no change is missed. */
  readonly started: Promise<void>
  readonly #options: PostgresOptions
  readonly #ended: Promise<void>
  #closed = false
  #wake = () => {}

  constructor(options: PostgresOptions) {
    this.#options = options
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.started = promise
    this.#ended = this.#run(resolve, reject)
  }

  async #run(started: () => void, failed: (error: unknown) => void): Promise<void> {
    while (!this.#closed) {
      // What becomes of a session need not be told: `heardAt` tells the listeners.
      await this.#session(started).catch(failed)
      if (!this.#closed) await this.#pause(RECONNECT_MS)
    }
  }

  async #session(started: () => void): Promise<void> {
    const client = new Client(clientConfig(this.#options))
    let alive = true
    client.on('error', () => {})
    client.on('end', () => {
      alive = false
      this.#wake()
    })
    client.on('notification', () => this.#wake())
    try {
      await client.connect()
      await client.query(`listen ${CHANNEL}`)
      while (alive && !this.#closed) {
        // Armed before reading, so that a notification that comes meanwhile is not slept through.
        const pause = this.#pause(POLL_MS)
        await this.#catchUp(client)
        started()
        await pause
      }
    } finally {
      this.#wake()
      client.end().catch(() => {})
    }
  }

  async #catchUp(client: Client): Promise<void> {
    const askedAt = performance.now()
    const { seq } = this.changes
    if (seq === null) {
      const { rows } = await client.query<{ seq: number }>(NEWEST)
      this.changes.heard(askedAt, rows[0]?.seq ?? 0)
      return
    }
    const { rows } = await client.query<Change>(AFTER, [seq])
    this.changes.deliver(rows)
    this.changes.heard(askedAt, seq)
  }

  /** Resolves after the time or at the next wake, whichever is first. */
  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    this.#wake = () => {
      clearTimeout(timer)
      resolve()
    }
    return promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#wake()
    await this.#ended
  }
}
