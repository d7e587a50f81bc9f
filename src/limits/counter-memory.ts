import { SharedWords } from './shared-word.ts'

/** What a slot counts. Rates over long windows and budgets are durable: slices of them are taken in the store. */
export const RATE = 1
export const CONCURRENCY = 2
export const DURABLE_RATE = 3
export const BUDGET = 4
export type CounterKind = typeof RATE | typeof CONCURRENCY | typeof DURABLE_RATE | typeof BUDGET

/** States of a slot. Only a durable one is ever loaded or closing. */
export const EMPTY = 0
export const LIVE = 1
export const LOADED = 2
export const CLOSING = 3

/** Where the members of a slot are, in halves of words (4 bytes) from its beginning. */
export const KEY = 0
export const PERIOD = 8
export const STATE = 10
export const KIND = 11
/** How many counters have lived here: all 32 bits of what words keep 11 bits of. */
export const LIFE = 12
/** Number of the worker that asks the store for a slice; 0 = none. */
export const FLIGHT = 13
/** A rate's theoretical arrival time, calls at once, or what is spent and reserved of a budget. */
export const VALUE = 14
/** Of a rate: how much has ever been undone. Of a budget: what is spent. */
export const SECOND = 16
/** Durable: what may be in use according to the store. */
const HIGH = 18
export const PERIOD_END = 20
/** Highest share of a budget that was reported, in millionths. */
export const REPORTED = 22
/** When a durable counter was used last, µs of the monotonic clock. */
export const USED_AT = 24

const SLOT_BYTES = 128
const LOCK = 0
const PAUSE = 1
const SLOTS = 2
const WORKERS = 3
const HOLDS = 4
const WALL_OFFSET = 8
const HEADER_BYTES = 64
const WORKER_BYTES = 64
const HOLD_BYTES = 16

interface MemorySize {
  readonly workers: number
  /** Counters that there is room for; rounded up to a power of two. */
  readonly slots?: number
  /** Calls that one worker can hold concurrency of or budgets for at once, each counted once a limit. */
  readonly holds?: number
}

/**
 * Memory of all counters, shared by all threads: a header, a line for each worker, its ledger of what it holds, and the
 * slots. 65,536 slots are 8 MiB.
 */
export function createLimitsMemory({ workers, slots = 65_536, holds = 16_384 }: MemorySize): SharedArrayBuffer {
  const size = 2 ** Math.ceil(Math.log2(slots))
  const buffer = new SharedArrayBuffer(
    HEADER_BYTES + workers * (WORKER_BYTES + holds * HOLD_BYTES) + (size + 1) * SLOT_BYTES,
  )
  const header = new Int32Array(buffer)
  header[SLOTS] = size
  header[WORKERS] = workers
  header[HOLDS] = holds
  const now = createMonotonicClock()()
  new Float64Array(buffer)[WALL_OFFSET / 2] = Date.now() * 1000 - now
  return buffer
}

/** Views of the memory, and where in it things are; all places are counted in `i32`, those of `f64` are half of that. */
export class CounterMemory {
  readonly i32: Int32Array
  /** Aligned words of 64 bits: no processor that runs Node reads them in two parts. */
  readonly f64: Float64Array
  readonly words: SharedWords
  readonly slots: number
  readonly workers: number
  readonly holds: number
  readonly lock = LOCK
  readonly pause = PAUSE
  readonly #slotsAt: number

  constructor(buffer: SharedArrayBuffer) {
    this.i32 = new Int32Array(buffer)
    this.f64 = new Float64Array(buffer)
    this.words = new SharedWords(buffer)
    this.slots = this.i32[SLOTS] as number
    this.workers = this.i32[WORKERS] as number
    this.holds = this.i32[HOLDS] as number
    const ledgersEnd = HEADER_BYTES + this.workers * (WORKER_BYTES + this.holds * HOLD_BYTES)
    this.#slotsAt = (Math.ceil(ledgersEnd / SLOT_BYTES) * SLOT_BYTES) / 4
  }

  slotAt(index: number): number {
    return this.#slotsAt + index * (SLOT_BYTES / 4)
  }

  /** Whether the worker is inside a decision. Workers count from 1. */
  busyAt(worker: number): number {
    return (HEADER_BYTES + (worker - 1) * WORKER_BYTES) / 4
  }

  /** Whether a thread is the worker. */
  aliveAt(worker: number): number {
    return this.busyAt(worker) + 1
  }

  holdAt(worker: number, index: number): number {
    return (HEADER_BYTES + this.workers * WORKER_BYTES + ((worker - 1) * this.holds + index) * HOLD_BYTES) / 4
  }

  /** What to add to the monotonic clock to have µs since the Unix epoch, the same all this run. */
  get wallOffset(): number {
    return this.f64[WALL_OFFSET / 2] as number
  }

  high(slot: number): number {
    return this.f64[(slot + HIGH) >>> 1] as number
  }

  setHigh(slot: number, high: number): void {
    this.f64[(slot + HIGH) >>> 1] = high
  }

  /** Identity of a counter in the store. */
  idOf(slot: number): string {
    const bytes = new Uint8Array(32)
    bytes.set(new Uint8Array(this.i32.buffer, (slot + KEY) * 4, 32))
    return Buffer.from(bytes.buffer).toString('hex')
  }

  periodOf(slot: number): number {
    return this.f64[(slot + PERIOD) >>> 1] as number
  }
}

/** Whole µs of CLOCK_MONOTONIC, which all threads share: `performance.now()` counts from the thread's beginning. */
export function createMonotonicClock(): () => number {
  let offset = Number.POSITIVE_INFINITY
  // The least of several: between the two readings the thread may have had to wait.
  for (let i = 0; i < 16; i++) {
    const own = performance.now()
    offset = Math.min(offset, Number(process.hrtime.bigint()) / 1000 - own * 1000)
  }
  return () => Math.floor(performance.now() * 1000 + offset)
}
