import { setTimeout as pause } from 'node:timers/promises'
import { networkOf } from '#audit/recorder.ts'
import { Problem } from '#core/problems.ts'

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

interface Bucket {
  left: number
  at: number
}

/** `clock` in ms. */
export function createFailedAttempts({
  clock,
  holdMs = HOLD_MS,
}: {
  clock: () => number
  holdMs?: number
}): FailedAttempts {
  const buckets = new Map<string, Bucket>()
  let held = 0
  return {
    async count(source) {
      const now = clock()
      const bucket = bucketOf(buckets, networkOf(source), now)
      if (bucket.left >= 1) {
        bucket.left--
        return
      }
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

function bucketOf(buckets: Map<string, Bucket>, source: string, now: number): Bucket {
  const known = buckets.get(source)
  if (known === undefined && buckets.size >= MAX_SOURCES) dropFull(buckets, now)
  const key = known === undefined && buckets.size >= MAX_SOURCES ? '*' : source
  const bucket = buckets.get(key) ?? { left: BUDGET, at: now }
  bucket.left = Math.min(BUDGET, bucket.left + ((now - bucket.at) * BUDGET) / REFILL_MS)
  bucket.at = now
  buckets.set(key, bucket)
  return bucket
}

/** Who has a full budget again is as if never seen. */
function dropFull(buckets: Map<string, Bucket>, now: number): void {
  for (const [source, { at }] of buckets) if (now - at >= REFILL_MS) buckets.delete(source)
}
