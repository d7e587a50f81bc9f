import { Kysely, PostgresDialect, sql } from 'kysely'
import { type RecordChange, recordChange } from '#store/changes.ts'
import { eventRow, listEvents } from '#store/events.ts'
import { keyStore } from '#store/keys.ts'
import { postgresColumns } from '#store/migrations/columns.ts'
import { migrate } from '#store/migrations/migrate.ts'
import type { EventStore, Store } from '#store/ports.ts'
import type { Tables } from '#store/tables.ts'
import { advisoryLocks } from './advisory-locks.ts'
import { openPool, type PostgresOptions } from './connections.ts'
import { CHANNEL, PostgresFeed } from './feed.ts'
import { postgresProblem } from './problems.ts'

const MIGRATION_TIMEOUT_MS = 600_000

/**
 * The store on a migrated PostgreSQL database; recovers by itself from outages. Rejects with
 * `Problem('store.unavailable')` if the server does not answer now: no change may be missed from here on.
 */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const timeoutMs = options.timeoutMs ?? 2000
  const feed = new PostgresFeed(options)
  try {
    await within(timeoutMs, feed.started)
  } catch (error) {
    await feed[Symbol.asyncDispose]()
    throw error
  }
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: openPool(options) }) })
  return {
    keys: bounded(timeoutMs, keyStore(db, notifyChange)),
    events: bounded(timeoutMs, { append: appendEvents(db), list: listEvents(db) }),
    changes: feed.changes,
    async ping() {
      await within(timeoutMs, sql`select 1`.execute(db))
    },
    async [Symbol.asyncDispose]() {
      await feed[Symbol.asyncDispose]()
      // A server that fell silent takes no leave.
      await within(timeoutMs, db.destroy()).catch(() => {})
    },
  }
}

/** Brings the database to this program's schema. Rejects with `Problem('start.database_newer')`, `store.unavailable`. */
export async function migratePostgres(url: string): Promise<void> {
  const pool = openPool({ url, poolSize: 1, timeoutMs: MIGRATION_TIMEOUT_MS })
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
  const [namespace, lock] = advisoryLocks.migration
  try {
    await migrate(db, postgresColumns, async transaction => {
      await sql`select pg_advisory_xact_lock(${namespace}, ${lock})`.execute(transaction)
    })
  } catch (error) {
    throw postgresProblem(error)
  } finally {
    await db.destroy()
  }
}

/** One statement a batch. */
function appendEvents(db: Kysely<Tables>): EventStore['append'] {
  return async events => {
    const batch = `[${events.map(event => eventRow(event).data).join()}]`
    await sql`
      insert into events (id, at, type, data)
      select event->>'id', (event->>'at')::bigint, event->>'type', event
      from jsonb_array_elements(${batch}::jsonb) with ordinality as batch (event, position)
      order by position
      on conflict (id) do nothing`.execute(db)
  }
}

/** The lock ends with the transaction, and the notification is sent by its commit. */
const notifyChange: RecordChange = async (transaction, change, at) => {
  const [namespace, lock] = advisoryLocks.changes
  await sql`select pg_advisory_xact_lock(${namespace}, ${lock})`.execute(transaction)
  await recordChange(transaction, change, at)
  await sql`select pg_notify(${CHANNEL}, '')`.execute(transaction)
}

/** The same functions, each bounded as a whole, connection and every statement together. */
function bounded<T extends { [Name in keyof T]: (...args: never[]) => Promise<unknown> }>(
  timeoutMs: number,
  port: T,
): T {
  const entries = Object.entries<(...args: never[]) => Promise<unknown>>(port)
  return Object.fromEntries(
    entries.map(([name, ask]) => [name, (...args: never[]) => within(timeoutMs, ask(...args))]),
  ) as T
}

async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`PostgreSQL did not answer in ${timeoutMs} ms`)), timeoutMs)
  try {
    return await Promise.race([work, late])
  } catch (error) {
    throw postgresProblem(error)
  } finally {
    clearTimeout(timer)
  }
}
