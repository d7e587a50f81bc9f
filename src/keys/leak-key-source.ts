import type { Clock } from '#core/clock.ts'
import type { Send } from '#core/exchange.ts'
import { readP256Key } from '#core/p256-key.ts'
import { sendWhole } from '#core/whole-reply.ts'

/** Public keys of reporters of leaks, by the identifier that a report names. */
export interface LeakKeySource {
  /** PEM; null = no key of this identifier is trusted. Never rejects. */
  find(id: string): Promise<string | null>
}

interface LeakKeySourceOptions {
  /** `keysUrl`. */
  readonly url: string
  /** Bounded in time, follows no redirect. */
  readonly send: Send
  readonly clock: Clock
  /** Told when fetching begins to fail, and once when it works again (null). */
  readonly onTrouble: (error: unknown) => void
}

/** Whoever sends reports with made-up identifiers makes us ask no more often than this. */
const RETRY_MS = 300_000
/** A key that is no longer published is trusted no longer than this, */
const FRESH_MS = 3_600_000
/** nor, where nothing can be fetched, than this. */
const STALE_MS = 86_400_000
const MAX_BYTES = 256 * 1024
const MAX_KEYS = 100

/**
 * Fetches keys as GitHub publishes those of secret scanning (docs.github.com, secret scanning partner program): all at
 * once, when one is asked for that is not known or was fetched an hour ago, at most every five minutes.
 */
export function createLeakKeySource({ url, send, clock, onTrouble }: LeakKeySourceOptions): LeakKeySource {
  let keys: ReadonlyMap<string, string> = new Map()
  let fetchedAt = Number.NEGATIVE_INFINITY
  let triedAt = Number.NEGATIVE_INFINITY
  let failing = false
  let running: Promise<void> | null = null

  const refresh = async () => {
    triedAt = clock()
    try {
      keys = await fetchKeys(url, send)
      fetchedAt = triedAt
      if (failing) onTrouble(null)
      failing = false
    } catch (error) {
      if (!failing) onTrouble(error)
      failing = true
    }
  }

  return {
    async find(id) {
      const wanted = !keys.has(id) || clock() - fetchedAt > FRESH_MS
      if (wanted && (running !== null || clock() - triedAt >= RETRY_MS)) {
        running ??= refresh().finally(() => {
          running = null
        })
        await running
      }
      return clock() - fetchedAt <= STALE_MS ? (keys.get(id) ?? null) : null
    },
  }
}

async function fetchKeys(url: string, send: Send): Promise<ReadonlyMap<string, string>> {
  const { pathname } = new URL(url)
  // GitHub refuses requests that name no client.
  const headers = { accept: 'application/json', 'user-agent': 'ostiary' }
  const { status, body } = await sendWhole(send, { method: 'GET', path: pathname, headers, body: null }, MAX_BYTES)
  if (status !== 200) throw new Error(`the source of keys answered ${status}`)
  const { public_keys: published } = JSON.parse(body.toString('utf8')) as { public_keys?: unknown }
  if (!Array.isArray(published)) throw new Error('the source of keys answered something else')
  const found = new Map<string, string>()
  for (const entry of published.slice(0, MAX_KEYS)) {
    const { key_identifier: id, key } = (entry ?? {}) as Record<string, unknown>
    if (typeof id === 'string' && typeof key === 'string' && readP256Key(key) !== null) found.set(id, key)
  }
  return found
}
