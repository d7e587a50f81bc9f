import { Problem } from '#core/problems.ts'
import { type AllowanceStore, type FindSpent, RATE_PERIOD } from './allowances.ts'
import { reachedThreshold } from './budgets.ts'
import type { BudgetLimit, RateLimit } from './compiled-limit.ts'
import { type CounterMemory, FLIGHT, LIVE, LOADED, REPORTED, SECOND, STATE, VALUE } from './counter-memory.ts'
import { type CounterPlace, lockTable, unlockTable } from './counter-table.ts'

/** A slice is at least this share of the whole. */
const SHARE = 64
const WAIT_MS = 50
const CLOCK_MICROS = 1000
/** What a call waits at most while others ask the store. */
const PATIENCE_MS = 10_000

interface SlicesOptions {
  readonly memory: CounterMemory
  readonly worker: number
  readonly allowances: AllowanceStore
  readonly findSpent: FindSpent
  readonly epoch: string
  /** µs. */
  readonly now: () => number
}

type DurableLimit = RateLimit | BudgetLimit
type Taken = Awaited<ReturnType<AllowanceStore['take']>>

/** Takes slices of durable counters in the store: of each counter one at a time, over all workers. */
export class Slices {
  readonly #options: SlicesOptions
  readonly #running = new Map<number, Promise<void>>()

  constructor(options: SlicesOptions) {
    this.#options = options
  }

  /**
   * Sees that the store allows `need` more of this counter, or that it has no more to give. Rejects with
   * `store.unavailable`. Whoever asks while another asks waits for that answer, and then looks again.
   */
  take(limit: DurableLimit, place: CounterPlace, need: number): Promise<void> {
    const running = this.#running.get(place.slot)
    if (running !== undefined) return running
    // What the name stands for now; it is the next call's by the time the store answers.
    const scope = limit.kind === 'budget' && limit.summable ? limit.counter.scope() : null
    const taking = this.#inFlight(place, () => this.#take(limit, place, need, scope)).finally(() =>
      this.#running.delete(place.slot),
    )
    this.#running.set(place.slot, taking)
    return taking
  }

  /** Waits for what is under way, whatever comes of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#running.values())
  }

  async #inFlight(place: CounterPlace, work: () => Promise<void>): Promise<void> {
    const { memory, worker } = this.#options
    const at = place.slot + FLIGHT
    const began = performance.now()
    for (;;) {
      const holder = Atomics.compareExchange(memory.i32, at, 0, worker)
      if (holder === 0) break
      if (performance.now() - began > PATIENCE_MS) throw new Problem('store.unavailable', { reason: 'slice' })
      await Atomics.waitAsync(memory.i32, at, holder, WAIT_MS).value
    }
    try {
      if (this.#isAt(place)) await work()
    } finally {
      land(memory, place.slot, worker)
    }
  }

  async #take(limit: DurableLimit, place: CounterPlace, need: number, scope: Scope | null): Promise<void> {
    if (this.#options.memory.i32[place.slot + STATE] === LIVE) await this.#load(limit, place, scope)
    const { memory } = this.#options
    for (let tries = 0; tries < 2 && this.#isAt(place); tries++) {
      const wanted = this.#wanted(limit, place, need)
      const high = memory.high(place.slot)
      if (wanted <= high) return
      const { slice, ceiling } = sliceOf(limit, wanted, high, need === 0)
      // Of what is not there nothing is taken: the call will be refused.
      if (wanted > ceiling || high >= ceiling) return
      const taken = await this.#ask(limit, place, slice, ceiling, 0)
      this.#publish(place, () => memory.setHigh(place.slot, Math.max(high, this.#fromStore(limit, taken.high))))
    }
  }

  /** What would be in use with `need` more. */
  #wanted(limit: DurableLimit, { slot }: CounterPlace, need: number): number {
    const { words } = this.#options.memory
    words.read(slot + VALUE)
    return (limit.kind === 'budget' ? words.value : Math.max(words.value, this.#options.now())) + need
  }

  async #load(limit: DurableLimit, place: CounterPlace, scope: Scope | null): Promise<void> {
    const { memory, findSpent } = this.#options
    const { slot, generation } = place
    const isBudget = limit.kind === 'budget'
    const period = memory.periodOf(slot)
    const initial = !isBudget
      ? Math.ceil(this.#options.now() + memory.wallOffset)
      : scope === null
        ? 0
        : await findSpent({ ...scope, unit: limit.unit, from: period })
    const slice = isBudget ? Math.ceil(limit.amount / SHARE) : 0
    const ceiling = isBudget ? limit.amount : Number.MAX_SAFE_INTEGER
    const taken = await this.#ask(limit, place, slice, ceiling, initial)
    // Two runs may take the time of day to differ by the millisecond that it is read in.
    const stored =
      Math.ceil(this.#fromStore(limit, taken.used)) + (isBudget || taken.used === initial ? 0 : CLOCK_MICROS)
    // A clock that was wrong once must not refuse for ever: no rate is charged further ahead than its window.
    const most = isBudget ? Number.MAX_SAFE_INTEGER : Math.ceil(this.#options.now() + limit.window)
    const used = Math.min(Math.max(0, stored), most)
    this.#publish(place, () => {
      const { words, i32 } = memory
      words.read(slot + VALUE)
      words.swap(slot + VALUE, used, generation)
      words.read(slot + SECOND)
      words.swap(slot + SECOND, isBudget ? used : 0, generation)
      memory.setHigh(slot, this.#fromStore(limit, taken.high))
      // What was reached before was reported before; what a run that died is charged with was not.
      if (isBudget) i32[slot + REPORTED] = reachedThreshold(limit.alertAt, used - taken.charged, limit.amount)
      Atomics.store(i32, slot + STATE, LOADED)
    })
  }

  #ask(limit: DurableLimit, { slot }: CounterPlace, slice: number, ceiling: number, initial: number): Promise<Taken> {
    const { memory, allowances, epoch } = this.#options
    const id = memory.idOf(slot)
    const period = limit.kind === 'budget' ? memory.periodOf(slot) : RATE_PERIOD
    return allowances.take({ id, period, epoch, slice: Math.ceil(slice), initial, ceiling })
  }

  /** A rate is in wall-clock time in the store, because the monotonic clock begins anew with the machine. */
  #fromStore(limit: DurableLimit, value: number): number {
    return limit.kind === 'budget' ? value : value - this.#options.memory.wallOffset
  }

  /** Changes the slot if it still is this counter's: under the lock that whoever gives it to another holds. */
  #publish(place: CounterPlace, change: () => void): void {
    const { memory, worker } = this.#options
    if (!lockTable(memory, worker)) throw new Problem('store.unavailable', { reason: 'slice' })
    try {
      if (this.#isAt(place)) change()
    } finally {
      unlockTable(memory, worker)
    }
  }

  #isAt({ slot, generation }: CounterPlace): boolean {
    const { words } = this.#options.memory
    words.read(slot + VALUE)
    return words.generation === generation
  }
}

/** The slice to take so that `wanted` may be in use: of a budget never beyond it, unless it has been used already. */
function sliceOf(limit: DurableLimit, wanted: number, high: number, used: boolean) {
  if (limit.kind !== 'budget') {
    // After a pause the first slice has to reach from then to now.
    return { slice: wanted - high + limit.window / SHARE, ceiling: Number.MAX_SAFE_INTEGER }
  }
  return {
    slice: Math.max(wanted - high, Math.ceil(limit.amount / SHARE)),
    ceiling: used ? Math.max(limit.amount, wanted) : limit.amount,
  }
}

type Scope = ReturnType<BudgetLimit['counter']['scope']>

/** Lets others ask the store for a slice; also for a worker that is no more. */
export function land({ i32 }: CounterMemory, slot: number, worker: number): void {
  if (Atomics.compareExchange(i32, slot + FLIGHT, worker, 0) === worker) Atomics.notify(i32, slot + FLIGHT)
}
