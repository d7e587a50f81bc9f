import { once } from 'node:events'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { Kysely, sql } from 'kysely'
import { auditStore } from '#store/audit.ts'
import { recordChange } from '#store/changes.ts'
import { eventStore } from '#store/events.ts'
import { idempotencyStore } from '#store/idempotency.ts'
import { keyStore } from '#store/keys.ts'
import { sqliteColumns } from '#store/migrations/columns.ts'
import { migrate } from '#store/migrations/migrate.ts'
import { operatorTokenStore } from '#store/operator-tokens.ts'
import type { Store } from '#store/ports.ts'
import { projectStore } from '#store/projects.ts'
import { revocationStore } from '#store/revocations.ts'
import { secretStore } from '#store/secrets.ts'
import type { Tables } from '#store/tables.ts'
import { type UsageWords, usageStore } from '#store/usage.ts'
import { openClient, type SqliteCallStore, sqliteCallStore } from './call-store.ts'
import type { SqliteClientOptions } from './client.ts'
import { sqliteDialect } from './dialect.ts'
import type { Notice, Order } from './messages.ts'
import { sqliteProblem } from './problems.ts'

const MIGRATION_TIMEOUT_MS = 600_000

export interface SqliteStore extends Store, Pick<SqliteCallStore, 'reattach'> {}

/** The store over a port of `DatabaseThread.connect`. */
export function openSqliteStore(port: MessagePort, options: Partial<SqliteClientOptions> = {}): SqliteStore {
  const client = openClient(port, options)
  const calls = sqliteCallStore(client)
  const db = new Kysely<Tables>({ dialect: sqliteDialect(client) })
  return {
    ...calls,
    keys: { ...calls.keys, ...keyStore(db, recordChange) },
    projects: projectStore(db, recordChange),
    events: { ...calls.events, ...eventStore(db) },
    audit: auditStore(db),
    secrets: secretStore(db),
    tokens: operatorTokenStore(db),
    idempotency: idempotencyStore(db),
    usage: usageStore(db, sqliteWords),
    revocations: { ...calls.revocations, ...revocationStore(db, recordChange) },
    async ping() {
      await client.read({ sql: 'select 1', parameters: [] })
    },
  }
}

/** Brings the database to this program's schema; resolves to the steps that were missing. Closes the port. Rejects with `Problem('start.database_newer')`. */
export async function migrateSqlite(port: MessagePort): Promise<readonly string[]> {
  const client = openClient(port, { timeoutMs: MIGRATION_TIMEOUT_MS, leaseMs: MIGRATION_TIMEOUT_MS })
  try {
    // The lease is the lock.
    return await migrate(new Kysely({ dialect: sqliteDialect(client) }), sqliteColumns, async () => {})
  } finally {
    client.close()
  }
}

/** Disposing it writes the log back into the database file and closes it. */
export interface DatabaseThread extends AsyncDisposable {
  /** A new client's end; give it to the thread that needs it or to `openSqliteStore`. */
  connect(): MessagePort
  /** Resolves when the thread has ended, with the error that it died of, if any. */
  readonly exited: Promise<Error | undefined>
}

/** Starts the thread that holds the database file. Rejects with `Problem('store.unavailable')` if it cannot be opened. */
export async function startDatabaseThread(file: string): Promise<DatabaseThread> {
  const worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData: { file } })
  const exited = new Promise<Error | undefined>(resolve => {
    worker.once('error', resolve)
    worker.once('exit', () => resolve(undefined))
  })
  const [notice] = (await once(worker, 'message')) as [Notice]
  if (notice.type === 'failed') throw sqliteProblem(notice)
  return {
    exited,
    connect() {
      const { port1, port2 } = new MessageChannel()
      worker.postMessage({ type: 'attach', port: port2 } satisfies Order, [port2])
      return port1
    },
    async [Symbol.asyncDispose]() {
      worker.postMessage({ type: 'stop' } satisfies Order)
      await exited
    },
  }
}

const sqliteWords: UsageWords = {
  month: sql`cast(strftime('%s', hour / 1000, 'unixepoch', 'start of month') as integer) * 1000`,
  // `total` does not overflow as `sum` does, and is exact as long as integers are.
  sum: column => sql`cast(min(total(${sql.ref(column)}), ${sql.lit(Number.MAX_SAFE_INTEGER)}) as integer)`,
}
