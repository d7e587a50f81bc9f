import { Kysely, PostgresDialect, sql } from 'kysely'
import { auditStore } from '#store/audit.ts'
import { type RecordChange, recordChange } from '#store/changes.ts'
import { eventStore } from '#store/events.ts'
import { idempotencyStore } from '#store/idempotency.ts'
import { keyStore } from '#store/keys.ts'
import { postgresColumns } from '#store/migrations/columns.ts'
import { migrate } from '#store/migrations/migrate.ts'
import { operatorTokenStore } from '#store/operator-tokens.ts'
import type { Store } from '#store/ports.ts'
import { projectStore } from '#store/projects.ts'
import { revocationStore } from '#store/revocations.ts'
import { secretStore } from '#store/secrets.ts'
import type { Tables } from '#store/tables.ts'
import { type UsageWords, usageStore } from '#store/usage.ts'
import { advisoryLocks } from './advisory-locks.ts'
import { bounded, within } from './bounds.ts'
import { openPostgresCallStore } from './call-store.ts'
import { openPool, type PostgresOptions } from './connections.ts'
import { CHANNEL } from './feed.ts'
import { postgresProblem } from './problems.ts'

const MIGRATION_TIMEOUT_MS = 600_000

/** The store on a migrated PostgreSQL database; the same bounds and rejections as `openPostgresCallStore`. */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const timeoutMs = options.timeoutMs ?? 2000
  const calls = await openPostgresCallStore(options)
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: calls.pool }) })
  return {
    keys: { ...calls.keys, ...bounded(timeoutMs, keyStore(db, notifyChange)) },
    projects: bounded(timeoutMs, projectStore(db, notifyChange)),
    events: { ...calls.events, ...bounded(timeoutMs, eventStore(db)) },
    audit: bounded(timeoutMs, auditStore(db)),
    secrets: bounded(timeoutMs, secretStore(db)),
    tokens: bounded(timeoutMs, operatorTokenStore(db)),
    idempotency: bounded(timeoutMs, idempotencyStore(db)),
    usage: bounded(timeoutMs, usageStore(db, postgresWords)),
    revocations: { ...calls.revocations, ...bounded(timeoutMs, revocationStore(db, notifyChange)) },
    allowances: calls.allowances,
    changes: calls.changes,
    async ping() {
      await within(timeoutMs, sql`select 1`.execute(db))
    },
    [Symbol.asyncDispose]: () => calls[Symbol.asyncDispose](),
  }
}

/** Brings the database to this program's schema; resolves to the steps that were missing. Rejects with `Problem('start.database_newer')`, `store.unavailable`. */
export async function migratePostgres(url: string): Promise<readonly string[]> {
  const pool = openPool({ url, poolSize: 1, timeoutMs: MIGRATION_TIMEOUT_MS })
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) })
  const [namespace, lock] = advisoryLocks.migration
  try {
    return await migrate(db, postgresColumns, async transaction => {
      await sql`select pg_advisory_xact_lock(${namespace}, ${lock})`.execute(transaction)
    })
  } catch (error) {
    throw postgresProblem(error)
  } finally {
    await db.destroy()
  }
}

/** The lock ends with the transaction, and the notification is sent by its commit. */
const notifyChange: RecordChange = async (transaction, change, at) => {
  const [namespace, lock] = advisoryLocks.changes
  await sql`select pg_advisory_xact_lock(${namespace}, ${lock})`.execute(transaction)
  await recordChange(transaction, change, at)
  await sql`select pg_notify(${CHANNEL}, '')`.execute(transaction)
}

const postgresWords: UsageWords = {
  month: sql`cast(extract(epoch from date_trunc('month', to_timestamp(hour / 1000) at time zone 'UTC')) * 1000 as bigint)`,
  sum: column => sql`cast(least(coalesce(sum(${sql.ref(column)}), 0), ${sql.lit(Number.MAX_SAFE_INTEGER)}) as bigint)`,
}
