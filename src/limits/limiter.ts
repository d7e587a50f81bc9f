import type { Clock } from '#core/clock.ts'
import type { AllowanceStore, FindSpent } from './allowances.ts'
import type { CompiledRules } from './compile-rules.ts'
import { CounterDirectory } from './counter-directory.ts'
import { CounterMemory, createMonotonicClock } from './counter-memory.ts'
import { DecisionGate } from './decision-gate.ts'
import { Ledger } from './ledger.ts'
import type { CallFacts } from './rules.ts'
import { Slices } from './slices.ts'
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

/** What one worker decides limits with. */
export interface Limiter extends AsyncDisposable {
  /**
   * Takes of the rates of requests and of concurrency whose rule needs no model, of all or of none. Throws
   * `limits.rate_exceeded`, `limits.concurrency_exceeded`, `limits.too_many_counters`.
   */
  admit(rules: CompiledRules, facts: CallFacts): Ticket
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
  return {
    admit(rules, facts) {
      const ticket = new Ticket(desk, rules, facts, clock())
      ticket.admit()
      return ticket
    },
    [Symbol.asyncDispose]: () => slices[Symbol.asyncDispose](),
  }
}
