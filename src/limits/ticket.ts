import { Problem } from '#core/problems.ts'
import { budgetCommitted, budgetSpent, claimThresholds } from './budgets.ts'
import type { StagedRules } from './compile-rules.ts'
import type { BudgetLimit, Claim, CompiledLimit } from './compiled-limit.ts'
import { LEDGER_FULL } from './concurrency.ts'
import type { CounterDirectory } from './counter-directory.ts'
import type { CounterMemory } from './counter-memory.ts'
import type { DecisionGate } from './decision-gate.ts'
import { Hold } from './hold.ts'
import type { Ledger } from './ledger.ts'
import { chargeRate, NEEDS_SLICE, REFUSED, rateWait, STALE, TAKEN } from './rates.ts'
import { budgetExhausted, budgetUnbounded, concurrencyExceeded, rateExceeded, tooManyCounters } from './refusals.ts'
import type { CallFacts } from './rules.ts'
import type { Slices } from './slices.ts'
import { type Place, type Standing, standingOf } from './standing.ts'

/** How often slots may go to other counters, or slices to other calls, under one decision. */
const STALE_TRIES = 16
const SLICE_TRIES = 100

export interface LimitNotices {
  /** A share of a budget is used up; told once a share and period, by one of all workers. */
  readonly onThreshold: (notice: {
    readonly rule: string
    /** Values of what the budget counts apart. */
    readonly scope: Readonly<Record<string, string>>
    readonly fraction: number
    readonly used: number
    readonly amount: number
    /** Start, ms since the epoch; 0 = no period. */
    readonly period: number
  }) => void
  /** A call used more than the upper bound that was reserved for it. It is charged. */
  readonly onOverrun: (notice: { readonly rule: string; readonly reserved: number; readonly used: number }) => void
}

/** What a call needs, once its model is known. */
export interface Reservation extends Claim {
  /** As the caller names it: which limits apply. */
  readonly model: string
  /** By which name it is counted where models are counted apart: one of a bounded number. */
  readonly countedAs: string
  /** Upper bounds, for budgets; null = there is none, because of what `unbounded` names, or because there is no price. */
  readonly boundTokens: number | null
  readonly boundNanoUsd: number | null
  /** In words, for the caller; null = all is bounded. */
  readonly unbounded: string | null
}

/** What a call has used. */
export interface Usage extends Claim {
  readonly nanoUsd: number
}

/** What a worker decides with; the same for all its calls. */
export interface Desk {
  readonly memory: CounterMemory
  readonly now: () => number
  readonly slices: Slices
  readonly gate: DecisionGate
  readonly ledger: Ledger
  readonly directory: CounterDirectory
  readonly notices: LimitNotices
}

const NOTHING: Reservation = {
  model: '',
  countedAs: '',
  inputTokens: 0,
  outputTokens: 0,
  boundTokens: 0,
  boundNanoUsd: 0,
  unbounded: null,
}

/** What one call has taken of its limits. Of `refund` and `settle` the first counts; one must come, whatever happens. */
export class Ticket {
  readonly #desk: Desk
  readonly #rules: StagedRules
  readonly #facts: CallFacts
  /** When the call began, ms since the epoch: budgets are those of that time. */
  readonly #at: number
  readonly #holds: Hold[] = []
  #reservation = NOTHING
  /** All that applies is among the holds. */
  #reserved = false
  #ended = false

  constructor(desk: Desk, rules: StagedRules, facts: CallFacts, at: number) {
    this.#desk = desk
    this.#rules = rules
    this.#facts = facts
    this.#at = at
  }

  /** Whether there is anything left to decide once the model is known. */
  get reserves(): boolean {
    return this.#rules.reserve.length > 0
  }

  /**
   * Takes of the rates of requests and of concurrency whose rule needs no model, of all or of none. Throws
   * `limits.rate_exceeded`, `limits.concurrency_exceeded`, `limits.too_many_counters`.
   */
  admit(): void {
    this.#commit(this.#rules.admit)
  }

  /**
   * Takes of what is left, of all or of none: rates that need the model, rates of tokens by estimate, rates over more
   * than an hour, and budgets by upper bound. A promise only where a slice must be taken in the store first. Refuses with
   * `limits.rate_exceeded`, `limits.concurrency_exceeded`, `limits.too_many_counters`, `budget.exhausted`,
   * `budget.unbounded`, `budget.no_price`, `store.unavailable`; what was admitted is still to be given back then.
   */
  reserve(reservation: Reservation): Promise<void> | undefined {
    if (this.#ended) throw new Problem('request.caller_hung_up')
    this.#reservation = reservation
    const lacking = this.#commit(this.#rules.reserve)
    if (lacking !== null) return this.#reserveLater(lacking)
    this.#reserved = true
    return undefined
  }

  /** A later stage of the gateway refused, or nothing was sent: gives everything back. */
  refund(): void {
    if (this.#ended) return
    this.#ended = true
    const { gate } = this.#desk
    gate.enter()
    try {
      this.#giveBack(0, this.#desk.now())
    } finally {
      gate.leave()
    }
  }

  /** Puts what was used in place of what was taken for the call. */
  settle(used: Usage): void {
    if (this.#ended) return
    this.#ended = true
    const { memory, ledger, gate, now: clock } = this.#desk
    const now = clock()
    const owing: Hold[] = []
    gate.enter()
    try {
      for (const hold of this.#holds) if (!hold.settle(memory, ledger, now, used, spentOf(hold, used))) owing.push(hold)
    } finally {
      gate.leave()
    }
    for (const { limit, cost } of owing) this.#chargeAnew(limit, cost, used, now)
    for (const hold of this.#holds) this.#noteBeyondSlice(hold)
    for (const hold of this.#holds) if (hold.limit.kind === 'budget') this.#report(hold, hold.limit, used)
  }

  /** The rates and budgets that the call came under, as they stand now. */
  standing(): Standing {
    const { memory, directory, now } = this.#desk
    if (this.#reserved) return standingOf(memory, this.#holds, this.#at, now())
    const { model, countedAs } = this.#reservation
    const places: Place[] = []
    for (const limit of [...this.#rules.admit, ...this.#rules.reserve]) {
      if ((limit.needsModel && model === '') || !limit.applies(this.#facts.operation, model)) continue
      // An answer about a refusal makes no counters.
      places.push({ limit, place: directory.peek(limit, this.#facts, countedAs, this.#at) })
    }
    return standingOf(memory, places, this.#at, now())
  }

  async #reserveLater(lacking: Hold): Promise<void> {
    for (let next: Hold | null = lacking, tries = 0; next !== null; tries++) {
      const { limit, place, cost } = next
      if (limit.kind !== 'budget' && limit.kind !== 'durable-rate') throw new Error(`${limit.name} has no slices`)
      if (tries === SLICE_TRIES) throw new Problem('store.unavailable', { reason: 'slice' })
      // Nothing of this stage is held meanwhile.
      await this.#desk.slices.take(limit, place, cost)
      if (this.#ended) throw new Problem('request.caller_hung_up')
      next = this.#commit(this.#rules.reserve)
    }
    this.#reserved = true
  }

  /** Takes of all limits that apply. Otherwise of none: throws, or returns the one that a slice is needed of. */
  #commit(limits: readonly CompiledLimit[]): Hold | null {
    const { gate, directory, now: clock } = this.#desk
    const first = this.#holds.length
    for (let tries = 0; tries < STALE_TRIES; tries++) {
      const now = clock()
      this.#plan(limits, now)
      gate.enter()
      let next = first
      let outcome: ReturnType<Hold['take']> = TAKEN
      let failed: Hold[]
      try {
        for (; next < this.#holds.length; next++) {
          outcome = (this.#holds[next] as Hold).take(this.#desk.memory, this.#desk.ledger, now)
          if (outcome !== TAKEN) break
        }
        if (outcome === TAKEN) return null
        failed = this.#holds.splice(next)
        this.#giveBack(first, now)
      } finally {
        gate.leave()
      }
      this.#holds.length = first
      const hold = failed[0] as Hold
      if (outcome === NEEDS_SLICE) return hold
      if (outcome === LEDGER_FULL) throw tooManyCounters('holds')
      if (outcome === REFUSED) throw this.#refusal(hold, failed, now)
      if (outcome === STALE) directory.forget(hold.limit, this.#at)
    }
    throw tooManyCounters('slots')
  }

  #plan(limits: readonly CompiledLimit[], now: number): void {
    const first = this.#holds.length
    const { model, countedAs } = this.#reservation
    try {
      for (const limit of limits) {
        if (!limit.applies(this.#facts.operation, model)) continue
        const cost = this.#costOf(limit)
        const place = this.#desk.directory.find(limit, this.#facts, countedAs, this.#at, now)
        this.#holds.push(new Hold(limit, place, cost))
      }
    } catch (error) {
      // Planned, but not taken.
      this.#holds.length = first
      throw error
    }
  }

  #costOf(limit: CompiledLimit): number {
    switch (limit.kind) {
      case 'rate':
      case 'durable-rate':
        return limit.costOf(this.#reservation)
      case 'concurrency':
        return 1
      case 'budget': {
        const bound = limit.unit === 'usd' ? this.#reservation.boundNanoUsd : this.#reservation.boundTokens
        if (bound === null) throw budgetUnbounded(limit, this.#reservation.unbounded)
        // Something at least: what a call has reserved keeps the counter in its place.
        return Math.max(1, bound)
      }
    }
  }

  /** In the reverse order of taking. */
  #giveBack(first: number, now: number): void {
    const { memory, ledger } = this.#desk
    for (let i = this.#holds.length - 1; i >= first; i--) this.#holds[i]?.giveBack(memory, ledger, now)
  }

  /** Says the longest wait of all rates that were not taken: who comes back at the first one's time is not refused again. */
  #refusal(hold: Hold, notTaken: readonly Hold[], now: number): Problem {
    const { memory } = this.#desk
    const { limit, place, cost } = hold
    if (limit.kind === 'concurrency') return concurrencyExceeded(limit)
    if (limit.kind === 'budget') return budgetExhausted(limit, limit.amount - budgetCommitted(memory, place), cost)
    let longest = { limit, wait: 0 }
    for (const other of notTaken) {
      if (other.limit.kind !== 'rate' && other.limit.kind !== 'durable-rate') continue
      if (other.cost > other.limit.window) return rateExceeded(other.limit, null)
      const wait = rateWait(memory, other.place, now, other.cost, other.limit.window)
      if (wait > longest.wait) longest = { limit: other.limit, wait }
    }
    return rateExceeded(longest.limit, longest.wait)
  }

  /** Its time had come and its slot went to another, but what was used beyond the estimate is owed all the same. */
  #chargeAnew(limit: CompiledLimit, cost: number, used: Usage, now: number): void {
    if (limit.kind !== 'rate' && limit.kind !== 'durable-rate') return
    const { memory, directory } = this.#desk
    try {
      for (let tries = 0; tries < STALE_TRIES; tries++) {
        const place = directory.find(limit, this.#facts, this.#reservation.countedAs, this.#at, now)
        if (chargeRate(memory, place, now, limit.costOf(used) - cost)) return
        directory.forget(limit, this.#at)
      }
    } catch (error) {
      // The table is full: calls are refused for that meanwhile, and this one has ended.
      if (!(error instanceof Problem)) throw error
    }
  }

  /** What is in use beyond the slice is on record as soon as the store takes it; the counter knows it at once. */
  #noteBeyondSlice(hold: Hold): void {
    const { memory, slices } = this.#desk
    const { limit, place } = hold
    if (limit.kind !== 'budget' && limit.kind !== 'durable-rate') return
    if (hold.exceedsSlice(memory)) slices.take(limit, place, 0).catch(() => {})
  }

  #report(hold: Hold, limit: BudgetLimit, usage: Usage): void {
    const { memory, notices } = this.#desk
    const spent = spentOf(hold, usage)
    if (spent > hold.cost) notices.onOverrun({ rule: limit.name, reserved: hold.cost, used: spent })
    const used = budgetSpent(memory, hold.place)
    const fractions = claimThresholds(memory, hold.place, limit.alertAt, used, limit.amount)
    if (fractions.length === 0) return
    limit.counter.select(this.#facts, this.#reservation.countedAs, limit.periodAt(this.#at).start)
    for (const fraction of fractions) {
      const scope = limit.counter.scope()
      notices.onThreshold({
        rule: limit.name,
        scope,
        fraction,
        used,
        amount: limit.amount,
        period: limit.periodAt(this.#at).start,
      })
    }
  }
}

function spentOf({ limit }: Hold, used: Usage): number {
  if (limit.kind !== 'budget') return 0
  return limit.unit === 'usd' ? used.nanoUsd : used.inputTokens + used.outputTokens
}
