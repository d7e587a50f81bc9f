import { internalActor } from '#core/actor.ts'
import { startChore } from '#core/chore.ts'
import type { Clock } from '#core/clock.ts'
import { EXPIRY_NOTICE_MS } from '#core/expiry-notice.ts'
import type { KeyStore } from '#store/ports.ts'
import { keyEvent } from './key-events.ts'

const INTERVAL_MS = 60_000
/** Keys a transaction. */
const BATCH = 100

interface WarningOptions {
  readonly store: Pick<KeyStore, 'warnExpiring'>
  readonly clock: Clock
  readonly onTrouble: (error: unknown) => void
}

/** Emits `key.expiring` once for each key that ends within seven days; looks at once and every minute. */
export function startExpiryWarnings({ store, clock, onTrouble }: WarningOptions): AsyncDisposable {
  const by = internalActor('expiry')
  return startChore({
    everyMs: INTERVAL_MS,
    onTrouble,
    async work(stopped) {
      for (let told = BATCH; told === BATCH && !stopped.aborted; ) {
        const now = clock()
        told = await store.warnExpiring({ now, end: now + EXPIRY_NOTICE_MS, limit: BATCH }, key =>
          keyEvent('key.expiring', key, by, now, { expires_at: key.expiresAt }),
        )
      }
    },
  })
}
