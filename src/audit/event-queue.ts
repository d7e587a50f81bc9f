import type { AdmittedEvent, CallEvent, RefusalsEvent } from '#core/events.ts'
import { Problem } from '#core/problems.ts'
import type { DecisionChain } from './decision-chain.ts'
import { EventBatch } from './event-batch.ts'
import { ModelNames } from './model-names.ts'

/** Events that may wait for the store, per worker. From here on calls are refused rather than done unrecorded. */
const MAX_WAITING = 5000
const MAX_BATCH = 100
/** In the mode `durable` whatever waits is written at once, up to this many. */
const MAX_GROUP = 1000
/**
 * Longest that an event waits for others to share a write with, ms. A crash loses this and the write under way; of
 * refusals without a principal the counts of `REFUSALS_DELAY_MS`; and in an outage of the store all that waits.
 */
const BATCH_DELAY_MS = 25
const RETRY_DELAY_MS = 500

interface QueueOptions {
  readonly chain: DecisionChain
  /** Whether calls wait for their events: then nothing waits for company. */
  readonly durable: boolean
  /** Told once when writing begins to fail, and once when it works again (null). */
  readonly onTrouble: (error: unknown) => void
}

interface Waiter {
  /** Number of the event waited for. */
  readonly event: number
  readonly resolve: () => void
  readonly reject: (problem: Problem) => void
}

/** Writes events in batches, one at a time and in order. They wait as text: the objects they were made of may go. */
export class EventQueue implements AsyncDisposable {
  readonly #options: QueueOptions
  readonly #names = new ModelNames()
  /** Oldest first. The last may still grow; all others are as large as a batch may be. */
  #batches: EventBatch[] = []
  #queued = 0
  /** Being written. Stays as it is until it is: a write may have been done although its answer got lost. */
  #writing: ReturnType<EventBatch['close']> | null = null
  #pushed = 0
  #written = 0
  #waiters: Waiter[] = []
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<void> | undefined
  #troubled = false
  #stopping = false

  constructor(options: QueueOptions) {
    this.#options = options
  }

  /** Whether as many events wait as may. */
  get full(): boolean {
    return this.waiting >= MAX_WAITING
  }

  /** Events that are not yet in the store. */
  get waiting(): number {
    return this.#queued + (this.#writing?.link.count ?? 0)
  }

  push(event: CallEvent | AdmittedEvent | RefusalsEvent): void {
    this.#openBatch().push(event)
    this.#queued++
    this.#pushed++
    if (this.#turn !== undefined || this.#troubled || this.#stopping) return
    if (this.#options.durable || this.#queued >= MAX_BATCH) this.#write()
    else this.#timer ??= setTimeout(() => this.#write(), BATCH_DELAY_MS)
  }

  /** Resolves when all that was pushed is on the disk; rejects with `events.not_recordable` if the store does not take it. */
  written(): Promise<void> {
    if (this.#troubled || this.#stopping) return Promise.reject(new Problem('events.not_recordable'))
    const event = this.#pushed
    return new Promise((resolve, reject) => this.#waiters.push({ event, resolve, reject }))
  }

  #write(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#turn !== undefined || this.waiting === 0 || this.#stopping) return
    const recovering = this.#troubled
    this.#turn = this.#writeBatch().finally(() => {
      this.#turn = undefined
      if (this.waiting === 0 || this.#stopping) return
      const atOnce = recovering || this.#options.durable || this.#queued >= MAX_BATCH
      if (!this.#troubled && atOnce) this.#write()
      else this.#timer ??= setTimeout(() => this.#write(), this.#troubled ? RETRY_DELAY_MS : BATCH_DELAY_MS)
    })
  }

  async #writeBatch(): Promise<void> {
    this.#writing ??= this.#takeBatch()
    const { link, usage } = this.#writing
    try {
      await this.#options.chain.append(link, usage)
      this.#written += link.count
      this.#writing = null
      if (this.#troubled) this.#options.onTrouble(null)
      this.#troubled = false
      while (this.#waiters[0] !== undefined && this.#waiters[0].event <= this.#written) this.#waiters.shift()?.resolve()
    } catch (error) {
      if (!this.#troubled) this.#options.onTrouble(error)
      this.#troubled = true
      for (const { reject } of this.#waiters.splice(0)) reject(new Problem('events.not_recordable', { cause: error }))
    }
  }

  #openBatch(): EventBatch {
    const newest = this.#batches.at(-1)
    if (newest !== undefined && newest.count < (this.#options.durable ? MAX_GROUP : MAX_BATCH)) return newest
    const made = new EventBatch(this.#names)
    this.#batches.push(made)
    return made
  }

  #takeBatch(): ReturnType<EventBatch['close']> {
    const taken = (this.#batches.shift() as EventBatch).close()
    this.#queued -= taken.link.count
    return taken
  }

  /** Writes what waits; gives up at the first failure, which `onTrouble` has heard of. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    // From here on nobody else writes: two writers would each write what the other does.
    await this.#turn
    while (this.waiting > 0) {
      await this.#writeBatch()
      if (this.#troubled) break
    }
  }
}
