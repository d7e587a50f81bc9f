import type { PostgresPool } from 'kysely'
import type { OstiaryEvent } from '#core/events.ts'
import { CALL_KEY, type CallKeyRow, toCallKey } from '#store/call-key.ts'
import { eventRow } from '#store/event-row.ts'
import type { CallKey, CallStore, KeyUse } from '#store/ports.ts'
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
    keys: bounded(timeoutMs, {
      findByDigest: digest => findByDigest(pool, digest),
      noteUses: uses => noteUses(pool, uses),
    }),
    events: bounded(timeoutMs, { append: events => append(pool, events) }),
    changes: feed.changes,
    async [Symbol.asyncDispose]() {
      await feed[Symbol.asyncDispose]()
      // A server that fell silent takes no leave.
      await within(timeoutMs, pool.end()).catch(() => {})
    },
  }
}

async function findByDigest(pool: PostgresPool, digest: string): Promise<CallKey | undefined> {
  const [row] = await run(pool, FIND, [digest])
  return row === undefined ? undefined : toCallKey(row as CallKeyRow)
}

const FIND = `${CALL_KEY}$1`

/** Rows are held in the order of their ids, as everybody does who holds several: nobody waits in a circle. */
async function noteUses(pool: PostgresPool, uses: readonly KeyUse[]): Promise<void> {
  await run(
    pool,
    `with used as (select * from jsonb_to_recordset($1::jsonb) as used (id text, at bigint, source text)),
       held as (select id from keys where id in (select id from used) order by id for update)
     update keys set last_used_at = used.at, last_used_from = used.source
     from used join held on held.id = used.id
     where keys.id = used.id and coalesce(keys.last_used_at, 0) < used.at`,
    [JSON.stringify(uses)],
  )
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
