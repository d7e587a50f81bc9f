import { Problem } from '#core/problems.ts'
import type { BudgetLimit, ConcurrencyLimit, RateLimit } from './compiled-limit.ts'

/** Clients of OpenAI ignore a wait beyond it and try again at once: they are told not to. */
const LONGEST_RETRY_SECONDS = 60
const NANO = 1e9

/** `wait` in µs until the same call would be let through; null = never, it costs more than the whole limit. */
export function rateExceeded(limit: RateLimit, wait: number | null): Problem {
  const { name, amount, windowSeconds } = limit
  const what = `The limit ${name} allows ${amount} ${unitText(limit.unit)} in ${windowSeconds} s`
  if (wait === null) {
    return new Problem('limits.rate_exceeded', {
      detail: `${what}; this call alone needs more and can never be let through.`,
      reason: 'too_large',
      headers: { 'x-should-retry': 'false' },
    })
  }
  const seconds = Math.max(1, Math.ceil(wait / 1e6))
  return new Problem('limits.rate_exceeded', {
    detail: `${what}; the call can be repeated in ${seconds} s.`,
    reason: name,
    headers: {
      'retry-after': String(seconds),
      'retry-after-ms': String(Math.max(1, Math.ceil(wait / 1000))),
      'x-should-retry': String(seconds <= LONGEST_RETRY_SECONDS),
    },
  })
}

export function concurrencyExceeded({ name, amount }: ConcurrencyLimit): Problem {
  return new Problem('limits.concurrency_exceeded', {
    detail: `The limit ${name} allows ${amount} ${amount === 1 ? 'call' : 'calls'} at once.`,
    reason: name,
    headers: { 'retry-after': '1', 'retry-after-ms': '1000', 'x-should-retry': 'true' },
  })
}

export function budgetExhausted(limit: BudgetLimit, left: number, needed: number): Problem {
  const { name, unit, period } = limit
  const of = period === 'total' ? '' : ` of this ${period}`
  return new Problem('budget.exhausted', {
    detail: `The budget ${name}${of} has ${amountText(unit, left)} left that no call under way may need; this call may need up to ${amountText(unit, needed)}.`,
    reason: name,
    headers: { 'x-should-retry': 'false' },
  })
}

/** Of a call that has no upper bound: because of what is `unbounded`, or because there is no price. */
export function budgetUnbounded({ name }: BudgetLimit, unbounded: string | null): Problem {
  return unbounded === null
    ? new Problem('budget.no_price', { detail: `The budget ${name} is in money.`, reason: name })
    : new Problem('budget.unbounded', {
        detail: `The budget ${name} applies, and there is no bound on ${unbounded}.`,
        reason: name,
      })
}

/** `reason` says which room was full: `slots` of all counters, or `holds` of this worker. */
export function tooManyCounters(reason: 'slots' | 'holds'): Problem {
  return new Problem('limits.too_many_counters', { reason })
}

function unitText(unit: RateLimit['unit']): string {
  return unit.replace('_', ' ')
}

function amountText(unit: BudgetLimit['unit'], amount: number): string {
  return unit === 'usd' ? `${(Math.max(0, amount) / NANO).toFixed(6)} USD` : `${Math.max(0, amount)} tokens`
}
