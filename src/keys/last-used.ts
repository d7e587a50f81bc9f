import type { CallEvent } from '#core/events.ts'
import type { KeyLookup, KeyUse } from '#store/ports.ts'

const FLUSH_MS = 10_000
/** A key in steady use is written no more often than this: each write moves its row in an index of all keys. */
const REWRITE_MS = 60_000
/** Keys whose last use may wait to be written; the use of further ones is not kept until the next flush. */
const MAX_WAITING = 100_000
/** Keys a statement. */
const BATCH = 1000

/** Gathers when and from where keys were last used, and writes it within ten seconds, then once a minute: no call waits for it. */
export interface LastUsed extends AsyncDisposable {
  observe(event: CallEvent): void
}

/** A crash loses at most the last minute. While the store is away, uses wait. */
export function createLastUsed(keys: Pick<KeyLookup, 'noteUses'>, monotonic = () => performance.now()): LastUsed {
  const waiting = new Map<string, KeyUse>()
  /** Keys written within the last minute, and when. */
  const written = new Map<string, number>()
  let flushing = Promise.resolve()

  const flush = async (uses: readonly KeyUse[]) => {
    const now = monotonic()
    for (let at = 0; at < uses.length; at += BATCH) {
      const batch = uses.slice(at, at + BATCH)
      try {
        await keys.noteUses(batch)
      } catch {
        // The events of the calls tell the operator that the store is away; these uses go with the next flush.
        return
      }
      // Used again meanwhile: the newer use stays for the next time.
      for (const use of batch) {
        if (waiting.get(use.id) === use) waiting.delete(use.id)
        written.set(use.id, now)
      }
    }
  }
  const flushDue = () => {
    const now = monotonic()
    for (const [id, at] of written) if (now - at >= REWRITE_MS) written.delete(id)
    return flush([...waiting.values()].filter(({ id }) => !written.has(id)))
  }
  const timer = setInterval(() => {
    flushing = flushing.then(flushDue)
  }, FLUSH_MS)
  timer.unref()

  return {
    observe({ principal, at, source }) {
      if (principal?.kind !== 'api_key' || (waiting.size >= MAX_WAITING && !waiting.has(principal.id))) return
      waiting.set(principal.id, { id: principal.id, at, source })
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await flushing
      await flush([...waiting.values()])
    },
  }
}
