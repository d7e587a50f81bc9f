import { hash } from 'node:crypto'
import type { CompiledLimit } from './compiled-limit.ts'
import {
  BUDGET,
  CONCURRENCY,
  type CounterKind,
  type CounterMemory,
  DURABLE_RATE,
  LOADED,
  RATE,
  STATE,
} from './counter-memory.ts'
import { type CounterIdentity, type CounterPlace, findCounter, placeCounter } from './counter-table.ts'
import { tooManyCounters } from './refusals.ts'
import type { CallFacts } from './rules.ts'

/** Names that one worker remembers the places of; the oldest go first. */
const REMEMBERED = 32_768
const NO_PERIOD = { start: 0, end: 0 }

const kinds: Readonly<Record<CompiledLimit['kind'], CounterKind>> = {
  rate: RATE,
  'durable-rate': DURABLE_RATE,
  concurrency: CONCURRENCY,
  budget: BUDGET,
}

/** Where the counters of calls are, remembered by one worker, so that a name is hashed and looked up once. */
export class CounterDirectory {
  readonly #memory: CounterMemory
  readonly #worker: number
  readonly #places = new Map<string, CounterPlace>()

  constructor(memory: CounterMemory, worker: number) {
    this.#memory = memory
    this.#worker = worker
  }

  /** The counter of a limit for this call. `at` is when the call began, ms since the epoch; `now` in µs. */
  find(limit: CompiledLimit, facts: CallFacts, model: string, at: number, now: number): CounterPlace {
    const period = limit.kind === 'budget' ? limit.periodAt(at) : NO_PERIOD
    const { counter } = limit
    counter.select(facts, model, period.start)
    if (counter.place !== undefined && counter.owner === this) return counter.place
    const name = `${period.start}${counter.text}`
    let place = this.#places.get(name)
    if (place === undefined) {
      place = placeCounter(this.#memory, this.#worker, identityOf(limit, period), now) ?? undefined
      if (place === undefined) throw tooManyCounters('slots')
      this.#remember(name, place)
    }
    counter.owner = this
    counter.place = place
    return place
  }

  /** As `find`, for whoever only looks: null = there is no such counter, or it was not loaded from the store. */
  peek(limit: CompiledLimit, facts: CallFacts, model: string, at: number): CounterPlace | null {
    const period = limit.kind === 'budget' ? limit.periodAt(at) : NO_PERIOD
    limit.counter.select(facts, model, period.start)
    const place = findCounter(this.#memory, identityOf(limit, period))
    const isDurable = limit.kind === 'budget' || limit.kind === 'durable-rate'
    return place !== null && isDurable && this.#memory.i32[place.slot + STATE] !== LOADED ? null : place
  }

  /** After the place that `find` answered last for this limit turned out to be another counter's. */
  forget(limit: CompiledLimit, at: number): void {
    const start = limit.kind === 'budget' ? limit.periodAt(at).start : 0
    this.#places.delete(`${start}${limit.counter.text}`)
    limit.counter.place = undefined
  }

  get size(): number {
    return this.#places.size
  }

  #remember(name: string, place: CounterPlace): void {
    this.#places.set(name, place)
    if (this.#places.size <= REMEMBERED) return
    for (const oldest of this.#places.keys()) {
      this.#places.delete(oldest)
      return
    }
  }
}

/** `limit.counter` says which of its counters. */
function identityOf(limit: CompiledLimit, period: { readonly start: number; readonly end: number }): CounterIdentity {
  const key = new Int32Array(new Uint8Array(hash('sha256', limit.counter.text, 'buffer')).buffer)
  return { kind: kinds[limit.kind], key, period: period.start, periodEnd: period.end }
}
