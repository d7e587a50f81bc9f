import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DecisionChain } from '#audit/decision-chain.ts'
import { EventBatch } from '#audit/event-batch.ts'
import { ModelNames } from '#audit/model-names.ts'
import type { CallEvent, ChangeEvent } from '#core/events.ts'
import type { AuditReader } from '#store/audit-reader.ts'
import type { KeyRecord, Store } from '#store/ports.ts'
import { openPostgresAudit } from '#store/postgres/audit-reader.ts'
import { migratePostgres, openPostgresStore } from '#store/postgres/open.ts'
import { openSqliteAudit } from '#store/sqlite/audit-reader.ts'
import { migrateSqlite, openSqliteStore, startDatabaseThread } from '#store/sqlite/open.ts'
import { startPostgres, type TestPostgres, withClient } from '../support/postgres.ts'

export const TIMEOUT_MS = 2000

/** A fresh database behind the ports, on a real server, and what a test may do to it behind the store's back. */
export interface StoreUnderTest extends AsyncDisposable {
  migrate(): Promise<readonly string[]>
  /** A further client, as another worker or node would be. */
  connect(options?: { readonly timeoutMs: number }): Promise<Store>
  query(sql: string): Promise<readonly Record<string, unknown>[]>
  /** As `ostiary audit` opens it. */
  readAudit(): Promise<AuditReader>
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
    readAudit: async () => openSqliteAudit(file, true),
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
    readAudit: () => openPostgresAudit(url, true),
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

/** A key of one secret, whose digest may be given. */
export function key(id: string, { digest, ...over }: Partial<KeyRecord> & { digest?: string } = {}): KeyRecord {
  const createdAt = 1_800_000_000_123
  return {
    id,
    project: 'proj_default',
    name: 'für Тест 🔑',
    environment: 'test',
    roles: null,
    scopes: null,
    models: null,
    operations: null,
    cidrs: null,
    deniedCidrs: null,
    limits: null,
    budgets: null,
    binding: null,
    metadata: {},
    version: 1,
    createdAt,
    createdBy: 'operator',
    updatedAt: createdAt,
    expiresAt: null,
    disabledAt: null,
    revokedAt: null,
    lastUsedAt: null,
    lastUsedFrom: null,
    expiryWarnedAt: null,
    leakReportedAt: null,
    secrets: [
      { digest: digest ?? digestOf(id), pepperId: 'pepper_1', hint: 'sk_test_…abcd', createdAt, expiresAt: null },
    ],
    ...over,
  }
}

export function digestOf(id: string): string {
  return `digest of ${id}`
}

/** Ends a key as the product does: once. */
export async function revoke(
  store: Pick<Store, 'keys'>,
  id: string,
  at: number,
  event: ChangeEvent,
): Promise<KeyRecord | undefined> {
  const [changed] = await store.keys.change([id], at, ({ revokedAt }) =>
    revokedAt === null ? { set: { revokedAt: at }, events: [event] } : null,
  )
  return changed
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
    principal: { kind: 'api_key', id: 'key_01jx2m3n4p5q6r7s8t9vwxyz01', project: 'proj_default', environment: 'test' },
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
    usage: null,
    costNanoUsd: null,
    ...over,
  }
}

/** Appends calls to the chain of a worker as that worker would: one batch, with what they used. */
export async function appendCalls(
  store: Pick<Store, 'events'>,
  events: readonly CallEvent[],
  worker = 1,
): Promise<void> {
  const batch = new EventBatch(new ModelNames())
  for (const event of events) batch.push(event)
  const { link, usage } = batch.close()
  await new DecisionChain(store.events, `decisions/${worker}`).append(link, usage)
}

/** Resolves as soon as the condition holds; fails with `what` after ten seconds. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`Not within ten seconds: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
