import { startChore } from '#core/chore.ts'
import type { Clock } from '#core/clock.ts'
import type { RevocationStore } from '#store/revocations-port.ts'

const EVERY_MS = 3_600_000
/** How much longer an entry is kept than it says: by then no difference of clocks lets a token of it be good. */
const MARGIN_MS = 3_600_000
/** Rows of one transaction: batches of events wait for it to write. */
const MAX_ROWS = 500

interface PruningOptions {
  readonly store: Pick<RevocationStore, 'prune'>
  readonly clock: Clock
  readonly onTrouble: (error: unknown) => void
}

/** Deletes entries of the revocation list that no token can need any more, now and each hour, in bounded steps. */
export function startRevocationPruning({ store, clock, onTrouble }: PruningOptions): AsyncDisposable {
  return startChore({
    everyMs: EVERY_MS,
    onTrouble,
    async work(stopped) {
      const before = clock() - MARGIN_MS
      while (!stopped.aborted && (await store.prune(before, MAX_ROWS)) === MAX_ROWS);
    },
  })
}
