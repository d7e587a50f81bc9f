import { budgetCommitted, settleBudget, takeBudget } from './budgets.ts'
import type { Claim, CompiledLimit } from './compiled-limit.ts'
import { type Held, type LEDGER_FULL, releaseConcurrency, takeConcurrency } from './concurrency.ts'
import type { CounterMemory } from './counter-memory.ts'
import type { CounterPlace } from './counter-table.ts'
import type { Ledger } from './ledger.ts'
import { chargeRate, type Outcome, type RateCharge, takeRate, undoRate } from './rates.ts'

/** What one call has taken of one limit. */
export class Hold implements RateCharge, Held {
  readonly limit: CompiledLimit
  readonly place: CounterPlace
  /** µs of a rate, or the amount reserved of a budget. */
  readonly cost: number
  until = 0
  undone = 0
  ledgerPlace = -1

  constructor(limit: CompiledLimit, place: CounterPlace, cost: number) {
    this.limit = limit
    this.place = place
    this.cost = cost
  }

  /** Inside the gate, as everything that takes or gives back. */
  take(memory: CounterMemory, ledger: Ledger, now: number): Outcome | typeof LEDGER_FULL {
    const { limit, place, cost } = this
    switch (limit.kind) {
      case 'rate':
      case 'durable-rate':
        return takeRate(memory, place, now, cost, limit.window, this)
      case 'concurrency':
        return takeConcurrency(memory, ledger, place, limit.amount, this)
      case 'budget':
        return takeBudget(memory, ledger, place, cost, limit.amount, now, this)
    }
  }

  giveBack(memory: CounterMemory, ledger: Ledger, now: number): void {
    const { limit, place, cost } = this
    if (limit.kind === 'concurrency') releaseConcurrency(memory, ledger, place, this)
    else if (limit.kind === 'budget') settleBudget(memory, ledger, place, cost, 0, now, this)
    else undoRate(memory, place, this, now, cost)
  }

  /** Puts what was used in place of what was taken. Returns false if more must be charged on a counter placed anew. */
  settle(memory: CounterMemory, ledger: Ledger, now: number, used: Claim, spent: number): boolean {
    const { limit, place, cost } = this
    switch (limit.kind) {
      case 'rate':
      case 'durable-rate': {
        const actual = limit.costOf(used)
        if (actual > cost) return chargeRate(memory, place, now, actual - cost)
        if (actual < cost) undoRate(memory, place, this, now, cost - actual)
        return true
      }
      case 'concurrency':
        releaseConcurrency(memory, ledger, place, this)
        return true
      case 'budget':
        settleBudget(memory, ledger, place, cost, spent, now, this)
        return true
    }
  }

  /** Whether more of a durable counter is in use than the store knows. */
  exceedsSlice(memory: CounterMemory): boolean {
    const { kind } = this.limit
    if (kind !== 'budget' && kind !== 'durable-rate') return false
    return budgetCommitted(memory, this.place) > memory.high(this.place.slot)
  }
}
