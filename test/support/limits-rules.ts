import { type CompiledRules, compileRules } from '#limits/compile-rules.ts'
import { BUDGET, CounterMemory, EMPTY, KIND, SECOND, STATE, VALUE } from '#limits/counter-memory.ts'
import { createLimiter, type Limiter } from '#limits/limiter.ts'
import type { BudgetRule, CallFacts, ConcurrencyRule, RateRule } from '#limits/rules.ts'
import type { Ticket } from '#limits/ticket.ts'
import type { Hammered } from './limits-hammer.ts'

export const facts = { project: 'proj', key: 'key-0', network: '192.0.2.1', operation: 'openai.chat' }

/** What a call takes before its body is read. */
export function admit(limiter: Limiter, rules: CompiledRules, facts: CallFacts): Ticket {
  const ticket = limiter.open(rules, facts)
  ticket.admit()
  return ticket
}

export function rate(rule: Partial<RateRule>): RateRule {
  const base = { name: 'rate', unit: 'requests', amount: 1, windowSeconds: 1, per: ['key'] } as const
  return { ...base, models: null, operations: null, ...rule }
}

export function concurrency(amount: number): ConcurrencyRule {
  return { name: 'at-once', unit: 'concurrency', amount, per: ['key'], models: null, operations: null }
}

export function budget(rule: Partial<BudgetRule>): BudgetRule {
  const base = { name: 'purse', unit: 'usd', amount: 1, period: 'total', per: ['key'], models: null } as const
  return { ...base, alertAt: [], ...rule }
}

/** What is spent, and what is spent and reserved, of the one budget in the memory. */
export function atRest(buffer: SharedArrayBuffer): { readonly committed: number; readonly spent: number } {
  const memory = new CounterMemory(buffer)
  for (let index = 0; index < memory.slots; index++) {
    const slot = memory.slotAt(index)
    if (memory.i32[slot + STATE] === EMPTY || memory.i32[slot + KIND] !== BUDGET) continue
    memory.words.read(slot + SECOND)
    const spent = memory.words.value
    memory.words.read(slot + VALUE)
    return { committed: memory.words.value, spent }
  }
  return { committed: 0, spent: 0 }
}

/** How many calls can be under way at once, after all that were. */
export function freeCalls(run: Pick<Hammered, 'memory' | 'epoch'>, rule: ConcurrencyRule): number {
  const never = () => Promise.reject(new Error('no slice is needed'))
  const limiter = createLimiter({
    memory: run.memory,
    worker: new CounterMemory(run.memory).workers,
    allowances: { take: never, settle: never, forget: never },
    findSpent: never,
    epoch: run.epoch,
    clock: Date.now,
    onThreshold() {},
    onOverrun() {},
  })
  const rules = compileRules({ limits: [rule], budgets: [] })
  for (let calls = 0; ; calls++) {
    try {
      admit(limiter, rules, facts)
    } catch {
      return calls
    }
  }
}
