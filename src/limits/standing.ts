import { budgetCommitted } from './budgets.ts'
import type { CompiledLimit } from './compiled-limit.ts'
import type { CounterMemory } from './counter-memory.ts'
import type { CounterPlace } from './counter-table.ts'
import { rateLevel } from './rates.ts'

/** How a call's rates and budgets stand, for headers and for the caller who asks. */
export interface Standing {
  readonly rates: readonly RateStanding[]
  readonly budgets: readonly BudgetStanding[]
}

export interface RateStanding {
  readonly name: string
  readonly unit: string
  readonly limit: number
  readonly windowSeconds: number
  /** The limit as an item of `RateLimit-Policy`. */
  readonly policy: string
  readonly remaining: number
  /** Until all of the limit is there again. */
  readonly resetSeconds: number
}

interface BudgetStanding {
  readonly name: string
  readonly unit: 'usd' | 'tokens'
  /** Nano US dollars (1e-9 $), or tokens. */
  readonly limit: number
  readonly remaining: number
  readonly period: string
  /** ms since the epoch; null = never. */
  readonly resetsAt: number | null
}

/** A limit and where it is counted for one caller. */
export interface Place {
  readonly limit: CompiledLimit
  readonly place: CounterPlace
}

/** `at` is when the call began, ms since the epoch; `now` in µs. */
export function standingOf(memory: CounterMemory, places: readonly Place[], at: number, now: number): Standing {
  const rates: RateStanding[] = []
  const budgets: BudgetStanding[] = []
  for (const { limit, place } of places) {
    const { name, amount } = limit
    switch (limit.kind) {
      case 'rate':
      case 'durable-rate': {
        const level = rateLevel(memory, place, now)
        const remaining = Math.max(0, Math.min(amount, limit.unitsIn(limit.window - level)))
        const { unit, windowSeconds, policy } = limit
        const resetSeconds = Math.ceil(level / 1e6)
        rates.push({ name, unit, limit: amount, windowSeconds, policy, remaining, resetSeconds })
        break
      }
      case 'concurrency':
        break
      case 'budget': {
        const { unit, period } = limit
        const remaining = Math.max(0, amount - budgetCommitted(memory, place))
        budgets.push({ name, unit, limit: amount, remaining, period, resetsAt: limit.periodAt(at).end || null })
      }
    }
  }
  return { rates, budgets }
}
