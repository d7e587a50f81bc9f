import { setTimeout as pause } from 'node:timers/promises'
import { Problem } from '#core/problems.ts'
import { createSourceBudgets } from '#core/source-budgets.ts'

/** Wrong credentials that a source may send at once; the budget fills up again within `REFILL_MS`. */
const BUDGET = 30
const REFILL_MS = 60_000
/** Sources counted apart; further ones share one budget. */
const MAX_SOURCES = 1024
/** How late the answer beyond the budget is. */
const HOLD_MS = 1000
/** Late answers at a time; further ones are answered at once, because a wait for everyone would be a lever too. */
const MAX_HELD = 64

/**
 * Makes guessing slow, and costs only who guesses: it is told of wrong credentials alone, after they were found to be
 * wrong, so that a good one passes whatever its source has done.
 */
export interface FailedAttempts {
  /** Counts one more; beyond the budget it rejects, late, with `admin.too_many_failures`. `source` is a peer address. */
  count(source: string): Promise<void>
}

/** `clock` in ms. */
export function createFailedAttempts({
  clock,
  holdMs = HOLD_MS,
}: {
  clock: () => number
  holdMs?: number
}): FailedAttempts {
  const take = createSourceBudgets({ amount: BUDGET, refillMs: REFILL_MS, maxSources: MAX_SOURCES })
  let held = 0
  return {
    async count(source) {
      if (take(source, clock())) return
      if (held < MAX_HELD) {
        held++
        await pause(holdMs).finally(() => held--)
      }
      throw new Problem('admin.too_many_failures', {
        headers: { 'retry-after': String(Math.ceil(REFILL_MS / BUDGET / 1000)), connection: 'close' },
      })
    },
  }
}
