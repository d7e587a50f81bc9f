import type { Logger } from 'pino'
import type { Config } from '#config/schema.ts'
import type { SecretValues } from '#config/secrets.ts'
import type { Problem } from '#core/problems.ts'
import type { Store } from '#store/ports.ts'
import { lockDatabase } from '#store/postgres/node-lock.ts'
import { migratePostgres, openPostgresStore } from '#store/postgres/open.ts'
import { type DatabaseThread, migrateSqlite, openSqliteStore, startDatabaseThread } from '#store/sqlite/open.ts'

/** The supervisor's view of the database: migrated, held against other nodes, replaced if its thread dies. */
export interface Database extends AsyncDisposable {
  readonly store: Store
  /** The thread that workers connect to; null with PostgreSQL, which they reach by themselves. */
  thread(): DatabaseThread | null
  onRestarted(listener: () => void): void
  /** Resolves if another node took over: this one must stop. */
  readonly lost: Promise<Problem>
}

interface DatabaseOptions {
  readonly config: Config
  readonly secrets: SecretValues
  /** SQLite's file. */
  readonly file: string
  readonly log: Logger
}

export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  return options.config.store.kind === 'sqlite' ? openSqlite(options) : openPostgres(options)
}

const RESTART_DELAY_MS = 500

async function openSqlite({ file, log }: DatabaseOptions): Promise<Database> {
  let thread = await startDatabaseThread(file)
  await migrateSqlite(thread.connect())
  const store = openSqliteStore(thread.connect())
  let restarted = () => {}
  let stopping = false
  const watch = () => {
    void thread.exited.then(error => {
      if (!stopping) void restart(error)
    })
  }
  const restart = async (reason: unknown): Promise<void> => {
    log.error({ err: reason }, 'the database thread ended and is being replaced')
    try {
      thread = await startDatabaseThread(file)
      store.reattach(thread.connect())
      restarted()
      watch()
    } catch (error) {
      setTimeout(() => {
        if (!stopping) void restart(error)
      }, RESTART_DELAY_MS)
    }
  }
  watch()
  return {
    store,
    thread: () => thread,
    onRestarted(listener) {
      restarted = listener
    },
    lost: new Promise(() => {}),
    async [Symbol.asyncDispose]() {
      stopping = true
      await store[Symbol.asyncDispose]()
      await thread[Symbol.asyncDispose]()
    },
  }
}

async function openPostgres({ config, secrets }: DatabaseOptions): Promise<Database> {
  if (config.store.kind !== 'postgres') throw new TypeError('not a PostgreSQL configuration')
  const url = secrets.get(config.store.url).reveal()
  await using opened = new AsyncDisposableStack()
  const lock = opened.use(await lockDatabase(url))
  await migratePostgres(url)
  const store = opened.use(await openPostgresStore({ url, poolSize: config.store.poolSize }))
  const closing = opened.move()
  return {
    store,
    thread: () => null,
    onRestarted() {},
    lost: lock.lost,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}
