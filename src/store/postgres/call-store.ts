import type { PostgresPool } from 'kysely'
import type { OstiaryEvent } from '#core/events.ts'
import { eventRow } from '#store/event-row.ts'
import { toRecord } from '#store/key-row.ts'
import type { CallStore, KeyRecord } from '#store/ports.ts'
import { bounded, within } from './bounds.ts'
import { openPool, type PostgresOptions } from './connections.ts'
import { PostgresFeed } from './feed.ts'

export interface PostgresCallStore extends CallStore {
  readonly pool: PostgresPool
}

/**
 * What serving calls needs of a migrated PostgreSQL database; recovers by itself from outages. Rejects with
 * `Problem('store.unavailable')` if the server does not answer now: no change may be missed from here on.
 */
export async function openPostgresCallStore(options: PostgresOptions): Promise<PostgresCallStore> {
  const timeoutMs = options.timeoutMs ?? 2000
  const feed = new PostgresFeed(options)
  try {
    await within(timeoutMs, feed.started)
  } catch (error) {
    await feed[Symbol.asyncDispose]()
    throw error
  }
  const pool = openPool(options)
  return {
    pool,
    keys: bounded(timeoutMs, { findByDigest: digest => findByDigest(pool, digest) }),
    events: bounded(timeoutMs, { append: events => append(pool, events) }),
    changes: feed.changes,
    async [Symbol.asyncDispose]() {
      await feed[Symbol.asyncDispose]()
      // A server that fell silent takes no leave.
      await within(timeoutMs, pool.end()).catch(() => {})
    },
  }
}

async function findByDigest(pool: PostgresPool, digest: string): Promise<KeyRecord | undefined> {
  const [row] = await run(pool, 'select * from keys where digest = $1', [digest])
  return row === undefined ? undefined : toRecord(row as Parameters<typeof toRecord>[0])
}

/** One statement a batch. */
async function append(pool: PostgresPool, events: readonly OstiaryEvent[]): Promise<void> {
  const batch = `[${events.map(event => eventRow(event).data).join()}]`
  await run(
    pool,
    `insert into events (id, at, type, data)
     select event->>'id', (event->>'at')::bigint, event->>'type', event
     from jsonb_array_elements($1::jsonb) with ordinality as batch (event, position)
     order by position
     on conflict (id) do nothing`,
    [batch],
  )
}

async function run(pool: PostgresPool, sql: string, parameters: unknown[]): Promise<readonly unknown[]> {
  const client = await pool.connect()
  try {
    return (await client.query(sql, parameters)).rows
  } finally {
    client.release()
  }
}
