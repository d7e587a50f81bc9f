import { startChore } from '#core/chore.ts'
import type { Clock } from '#core/clock.ts'
import type { UsageStore } from '#store/usage-port.ts'

const EVERY_MS = 3_600_000
const DAY_MS = 86_400_000
/** Rows of one transaction: batches of events wait for it to write. */
const MAX_ROWS = 500

interface RetentionOptions {
  readonly store: Pick<UsageStore, 'forget'>
  readonly days: number
  readonly clock: Clock
  readonly onTrouble: (error: unknown) => void
}

/** Deletes sums of hours that are older than is kept, now and each hour, in bounded steps. */
export function startUsageRetention({ store, days, clock, onTrouble }: RetentionOptions): AsyncDisposable {
  return startChore({
    everyMs: EVERY_MS,
    onTrouble,
    async work(stopped) {
      const before = clock() - days * DAY_MS
      while (!stopped.aborted && (await store.forget(before, MAX_ROWS)) === MAX_ROWS);
    },
  })
}
