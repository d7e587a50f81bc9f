import type { Clock } from '#core/clock.ts'
import { Problem } from '#core/problems.ts'
import type { AllowanceStore, FindSpent } from './allowances.ts'
import type { StagedRules } from './compile-rules.ts'
import type { CompiledLimit } from './compiled-limit.ts'
import { CounterDirectory } from './counter-directory.ts'
import { CounterMemory, createMonotonicClock } from './counter-memory.ts'
import { isAt } from './counter-table.ts'
import { DecisionGate } from './decision-gate.ts'
import { Ledger } from './ledger.ts'
import type { CallFacts } from './rules.ts'
import { Slices } from './slices.ts'
import { type Place, type Standing, standingOf } from './standing.ts'
import { type LimitNotices, Ticket } from './ticket.ts'

export interface LimiterOptions extends LimitNotices {
  /** Of `createLimitsMemory`, the same for all workers. */
  readonly memory: SharedArrayBuffer
  /** From 1. */
  readonly worker: number
  readonly allowances: AllowanceStore
  readonly findSpent: FindSpent
  /** Names this run of the gateway. */
  readonly epoch: string
  readonly clock: Clock
  /** µs of a clock that all threads share; default CLOCK_MONOTONIC. */
  readonly monotonic?: () => number
}

const LOAD_TRIES = 16

/** What one worker decides limits with. */
export interface Limiter extends AsyncDisposable {
  /** Nothing is taken yet. */
  open(rules: StagedRules, facts: CallFacts): Ticket
  /**
   * How the rates and budgets stand, for whoever asks; takes nothing. An `operation` or `model` that is null is any: what is
   * counted for each of them apart is then left out. Rejects with `store.unavailable`.
   */
  look(
    rules: StagedRules,
    caller: Omit<CallFacts, 'operation'>,
    operation: string | null,
    model: { readonly name: string; readonly countedAs: string } | null,
  ): Promise<Standing>
}

export function createLimiter(options: LimiterOptions): Limiter {
  const memory = new CounterMemory(options.memory)
  const { worker, clock, allowances, findSpent, epoch } = options
  if (Atomics.compareExchange(memory.i32, memory.aliveAt(worker), 0, 1) !== 0) {
    throw new Error(`What worker ${worker} held before was not reclaimed`)
  }
  const now = options.monotonic ?? createMonotonicClock()
  const slices = new Slices({ memory, worker, allowances, findSpent, epoch, now })
  const desk = {
    memory,
    now,
    slices,
    gate: new DecisionGate(memory, worker),
    ledger: new Ledger(memory, worker),
    directory: new CounterDirectory(memory, worker),
    notices: options,
  }
  /** The counter as it is, with what the store knows of it. */
  const findLoaded = async (limit: CompiledLimit, facts: CallFacts, model: string, at: number) => {
    const isDurable = limit.kind === 'budget' || limit.kind === 'durable-rate'
    if (!isDurable) return desk.directory.peek(limit, facts, model, at)
    for (let tries = 0; tries < LOAD_TRIES; tries++) {
      const known = desk.directory.peek(limit, facts, model, at)
      if (known !== null) return known
      const place = desk.directory.find(limit, facts, model, at, now())
      if (isAt(memory, place)) await slices.take(limit, place, 0)
      else desk.directory.forget(limit, at)
    }
    throw new Problem('store.unavailable', { reason: 'slice' })
  }
  return {
    open: (rules, facts) => new Ticket(desk, rules, facts, clock()),
    async look(rules, caller, operation, model) {
      const facts = { ...caller, operation: operation ?? '' }
      const at = clock()
      const places: Place[] = []
      for (const limit of [...rules.admit, ...rules.reserve]) {
        if (limit.kind === 'concurrency' || !limit.applies(operation, model?.name ?? null)) continue
        if (model === null && limit.per.includes('model')) continue
        if (operation === null && limit.per.includes('operation')) continue
        places.push({ limit, place: await findLoaded(limit, facts, model?.countedAs ?? '', at) })
      }
      return standingOf(memory, places, at, now())
    },
    [Symbol.asyncDispose]: () => slices[Symbol.asyncDispose](),
  }
}
