import type { Clock } from '#core/clock.ts'
import { createTurns } from '#core/turns.ts'
import { type AllowanceStore, RATE_PERIOD } from './allowances.ts'
import {
  BUDGET,
  CLOSING,
  CONCURRENCY,
  CounterMemory,
  createMonotonicClock,
  DURABLE_RATE,
  FLIGHT,
  KIND,
  LIVE,
  LOADED,
  PERIOD_END,
  SECOND,
  STATE,
  USED_AT,
  VALUE,
} from './counter-memory.ts'
import { unlockTable } from './counter-table.ts'
import { whilePaused } from './decision-gate.ts'
import { eachHold, eraseHolds } from './ledger.ts'
import { GENERATION_MASK } from './shared-word.ts'
import { land } from './slices.ts'

const SETTLE_EVERY_MS = 10_000
const ROWS_AT_ONCE = 500
/** A durable counter that nobody used for so long is closed; one whose period is over, after a minute. */
const IDLE_MICROS = 600e6
const OVER_MICROS = 60e6
/** From the beginning of a period: a month at most, and calls that began in it may last beyond it. */
const FORGET_AFTER_MS = 33 * 86_400_000
const FORGET_EVERY_MS = 3_600_000

interface KeeperOptions {
  /** Of `createLimitsMemory`. */
  readonly memory: SharedArrayBuffer
  readonly allowances: AllowanceStore
  /** As that of the limiters. */
  readonly epoch: string
  readonly clock: Clock
  /** µs; as that of the limiters. */
  readonly monotonic?: () => number
  /** The store took no settlement; it is tried again. */
  readonly onTrouble: (error: unknown) => void
}

/** Keeps the counters of all workers, in the supervisor's thread. Disposing, when no worker is left, closes all slices. */
export interface LimitsKeeper extends AsyncDisposable {
  /**
   * Gives back what a worker held that is no more, however it ended: calls at once are counted anew, what it had reserved
   * of budgets is spent. Before that no other may take its number.
   */
  reclaim(worker: number): Promise<void>
  /** Notes in the store what was used, and closes what nobody uses any more; done every ten seconds. */
  settle(): Promise<void>
}

type Row = Parameters<AllowanceStore['settle']>[0][number]

export function createLimitsKeeper(options: KeeperOptions): LimitsKeeper {
  const keeper = new Keeper(options)
  const timer = setInterval(() => void keeper.settle().catch(options.onTrouble), SETTLE_EVERY_MS)
  timer.unref()
  return {
    reclaim: worker => keeper.reclaim(worker),
    settle: () => keeper.settle(),
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await keeper.closeAll()
    },
  }
}

class Keeper {
  readonly #options: KeeperOptions
  readonly #memory: CounterMemory
  readonly #now: () => number
  readonly #inTurn = createTurns()
  readonly #pausing = createTurns()
  readonly #dead = new Set<number>()
  /** What was noted of each slot last. */
  readonly #noted: Float64Array
  #forgotAt = 0

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#memory = new CounterMemory(options.memory)
    this.#now = options.monotonic ?? createMonotonicClock()
    this.#noted = new Float64Array(this.#memory.slots).fill(-1)
  }

  async reclaim(worker: number): Promise<void> {
    const memory = this.#memory
    this.#dead.add(worker)
    unlockTable(memory, worker)
    for (let index = 0; index < memory.slots; index++) {
      const slot = memory.slotAt(index)
      if (Atomics.load(memory.i32, slot + FLIGHT) === worker) land(memory, slot, worker)
    }
    const isGone = (other: number) => this.#dead.has(other) || Atomics.load(memory.i32, memory.aliveAt(other)) === 0
    await this.#pausing(() => whilePaused(memory, isGone, () => recount(memory, worker)))
    Atomics.store(memory.i32, memory.busyAt(worker), 0)
    this.#dead.delete(worker)
    Atomics.store(memory.i32, memory.aliveAt(worker), 0)
  }

  settle(): Promise<void> {
    return this.#inTurn(async () => {
      const rows: Row[] = []
      const idle: number[] = []
      const noted: [number, number][] = []
      for (let index = 0; index < this.#memory.slots; index++) {
        const slot = this.#memory.slotAt(index)
        if (Atomics.load(this.#memory.i32, slot + STATE) !== LOADED) continue
        const used = this.#usedOf(slot)
        if (this.#noted[index] !== used) {
          rows.push(this.#rowOf(slot, used, false))
          noted.push([index, used])
        }
        if (this.#isIdle(slot)) idle.push(slot)
      }
      await this.#write(rows)
      for (const [index, used] of noted) this.#noted[index] = used
      for (const slot of idle) await this.#close(slot)
      const at = this.#options.clock()
      if (at - this.#forgotAt < FORGET_EVERY_MS) return
      this.#forgotAt = at
      await this.#options.allowances.forget(at - FORGET_AFTER_MS)
    })
  }

  /** Nobody decides any more. What a worker still had reserved is spent. */
  closeAll(): Promise<void> {
    return this.#inTurn(async () => {
      const { words, i32, slots } = this.#memory
      const rows: Row[] = []
      for (let index = 0; index < slots; index++) {
        const slot = this.#memory.slotAt(index)
        if (i32[slot + STATE] !== LOADED) continue
        words.read(slot + VALUE)
        rows.push(this.#rowOf(slot, this.#inStore(slot, words.value), true))
        i32[slot + STATE] = LIVE
      }
      await this.#write(rows)
    })
  }

  async #write(rows: readonly Row[]): Promise<void> {
    for (let i = 0; i < rows.length; i += ROWS_AT_ONCE) {
      await this.#options.allowances.settle(rows.slice(i, i + ROWS_AT_ONCE))
    }
  }

  #isIdle(slot: number): boolean {
    const { f64, words, i32 } = this.#memory
    const now = this.#now()
    const unusedFor = now - (f64[(slot + USED_AT) >>> 1] as number)
    const periodEnd = f64[(slot + PERIOD_END) >>> 1] as number
    const isOver = periodEnd !== 0 && periodEnd <= this.#options.clock()
    if (unusedFor < (isOver ? OVER_MICROS : IDLE_MICROS)) return false
    words.read(slot + SECOND)
    const spent = words.value
    words.read(slot + VALUE)
    return i32[slot + KIND] === BUDGET ? words.value === spent : words.value <= now
  }

  /**
   * Gives back the slice of a counter at rest, and leaves it as before it was loaded: others may have the slot. Ends the
   * generation first, so that nobody takes of it while the store is told; whoever wants to waits for the flight.
   */
  async #close(slot: number): Promise<void> {
    const { i32, words } = this.#memory
    const self = this.#memory.workers + 1
    if (Atomics.compareExchange(i32, slot + FLIGHT, 0, self) !== 0) return
    try {
      Atomics.store(i32, slot + STATE, CLOSING)
      const rests = this.#isIdle(slot)
      const { value, generation } = words
      const next = (generation + 1) & GENERATION_MASK
      if (!rests || !words.swap(slot + VALUE, value, next)) return void Atomics.store(i32, slot + STATE, LOADED)
      words.read(slot + SECOND)
      words.swap(slot + SECOND, words.value, next)
      if (await this.#isClosed(slot, value)) return void Atomics.store(i32, slot + STATE, LIVE)
      // It may have been closed, and only the answer lost: whoever wants more must ask.
      this.#memory.setHigh(slot, value)
      Atomics.store(i32, slot + STATE, LOADED)
    } finally {
      land(this.#memory, slot, self)
    }
  }

  async #isClosed(slot: number, value: number): Promise<boolean> {
    try {
      await this.#write([this.#rowOf(slot, this.#inStore(slot, value), true)])
      return true
    } catch (error) {
      this.#options.onTrouble(error)
      return false
    }
  }

  #usedOf(slot: number): number {
    const { words, i32 } = this.#memory
    words.read(slot + (i32[slot + KIND] === BUDGET ? SECOND : VALUE))
    return this.#inStore(slot, words.value)
  }

  #inStore(slot: number, value: number): number {
    const { i32, wallOffset } = this.#memory
    return i32[slot + KIND] === DURABLE_RATE ? Math.ceil(value + wallOffset) : value
  }

  #rowOf(slot: number, used: number, closed: boolean): Row {
    const memory = this.#memory
    const period = memory.i32[slot + KIND] === DURABLE_RATE ? RATE_PERIOD : memory.periodOf(slot)
    return { id: memory.idOf(slot), period, epoch: this.#options.epoch, used, closed }
  }
}

/**
 * While nobody decides: what a worker held, noted before it was taken and erased after it was given back, is told from
 * what the others hold. A count is theirs alone; of a budget all is spent that they have not reserved.
 */
function recount(memory: CounterMemory, worker: number): void {
  const { i32, words } = memory
  const held = new Map<number, { readonly generation: number; others: number }>()
  eachHold(memory, worker, (slot, generation) => {
    words.read(slot + VALUE)
    if (words.generation === generation) held.set(slot, { generation, others: 0 })
  })
  for (let other = 1; other <= memory.workers; other++) {
    if (other === worker || held.size === 0) continue
    eachHold(memory, other, (slot, generation, amount) => {
      const counter = held.get(slot)
      if (counter?.generation === generation) counter.others += amount
    })
  }
  for (const [slot, { generation, others }] of held) {
    words.read(slot + VALUE)
    const { value } = words
    if (words.generation !== generation) continue
    if (i32[slot + KIND] === CONCURRENCY) words.swap(slot + VALUE, others)
    else {
      words.read(slot + SECOND)
      words.swap(slot + SECOND, Math.max(0, value - others), generation)
    }
  }
  eraseHolds(memory, worker)
}
