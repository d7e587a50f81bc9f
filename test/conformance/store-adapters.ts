import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { CallEvent, ChangeEvent } from '#core/events.ts'
import type { KeyRecord, Store } from '#store/ports.ts'
import { migratePostgres, openPostgresStore } from '#store/postgres/open.ts'
import { migrateSqlite, openSqliteStore, startDatabaseThread } from '#store/sqlite/open.ts'
import { startPostgres, type TestPostgres, withClient } from '../support/postgres.ts'

export const TIMEOUT_MS = 2000

/** A fresh database behind the ports, on a real server, and what a test may do to it behind the store's back. */
export interface StoreUnderTest extends AsyncDisposable {
  migrate(): Promise<readonly string[]>
  /** A further client, as another worker or node would be. */
  connect(options?: { readonly timeoutMs: number }): Promise<Store>
  query(sql: string): Promise<readonly Record<string, unknown>[]>
  fail(): Promise<void>
  recover(): Promise<void>
}

async function sqliteUnderTest(): Promise<StoreUnderTest> {
  const directory = mkdtempSync(join(tmpdir(), 'ostiary-store-'))
  const file = join(directory, 'ostiary.db')
  let thread = await startDatabaseThread(file)
  const stores: ReturnType<typeof openSqliteStore>[] = []
  return {
    migrate: () => migrateSqlite(thread.connect()),
    async connect(options = { timeoutMs: TIMEOUT_MS }) {
      const store = openSqliteStore(thread.connect(), options)
      stores.push(store)
      await store.ping()
      return store
    },
    async query(sql) {
      using database = new DatabaseSync(file, { timeout: 1000 })
      return database.prepare(sql).all()
    },
    async fail() {
      thread.connect().postMessage(null)
      await thread.exited
    },
    async recover() {
      thread = await startDatabaseThread(file)
      for (const store of stores) store.reattach(thread.connect())
    },
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store[Symbol.asyncDispose]()
      await thread[Symbol.asyncDispose]()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function postgresUnderTest(server: TestPostgres): Promise<StoreUnderTest> {
  const url = await server.createDatabase()
  const stores: Store[] = []
  return {
    migrate: () => migratePostgres(url),
    async connect(options = { timeoutMs: TIMEOUT_MS }) {
      const store = await openPostgresStore({ url, ...options })
      stores.push(store)
      return store
    },
    query: sql => withClient(url, async client => (await client.query(sql)).rows),
    fail: () => server.stop(),
    recover: () => server.start(),
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store[Symbol.asyncDispose]()
    },
  }
}

export const adapters = {
  SQLite: async () => ({ open: sqliteUnderTest, async [Symbol.asyncDispose]() {} }),
  PostgreSQL: async () => {
    const server = await startPostgres()
    return { open: () => postgresUnderTest(server), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
  },
}

export function key(id: string, over: Partial<KeyRecord> = {}): KeyRecord {
  return {
    id,
    name: 'für Тест 🔑',
    environment: 'test',
    digest: `digest of ${id}`,
    pepperId: 'pepper_1',
    hint: 'sk_test_…abcd',
    createdAt: 1_800_000_000_123,
    expiresAt: null,
    revokedAt: null,
    ...over,
  }
}

export function keyEvent(id: string, type: ChangeEvent['type'] = 'key.created'): ChangeEvent {
  return {
    type,
    id,
    at: 1_800_000_000_123,
    actor: 'operator',
    source: '127.0.0.1',
    requestId: null,
    project: null,
    subject: 'key_1',
    detail: { environment: 'test' },
  }
}

export function callEvent(id: string, over: Partial<CallEvent> = {}): CallEvent {
  return {
    type: 'call',
    id,
    callerRequestId: null,
    at: 1_800_000_000_123,
    worker: 1,
    configGeneration: 1,
    source: '127.0.0.1',
    method: 'POST',
    path: '/v1/chat/completions',
    route: 'openai.chat',
    principal: { kind: 'api_key', id: 'key_01jx2m3n4p5q6r7s8t9vwxyz01', environment: 'test' },
    credential: 'key_01jx2m3n4p5q6r7s8t9vwxyz01',
    model: 'gpt-5',
    target: { provider: 'sandbox', model: 'echo', test: true },
    stream: true,
    outcome: 'completed',
    problem: null,
    reason: null,
    status: 200,
    upstreamStatus: 200,
    bytesIn: 1234,
    bytesOut: 56789,
    durationMs: 812.25,
    firstByteMs: 120.5,
    ...over,
  }
}

/** Resolves as soon as the condition holds; fails with `what` after ten seconds. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`Not within ten seconds: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
