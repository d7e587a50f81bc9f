import type { MessagePort } from 'node:worker_threads'
import { eventRow } from '#store/event-row.ts'
import { toRecord } from '#store/key-row.ts'
import type { CallStore } from '#store/ports.ts'
import { SqliteClient, type SqliteClientOptions } from './client.ts'

export interface SqliteCallStore extends CallStore {
  /** Speaks with a new database thread, after the one before has died. */
  reattach(port: MessagePort): void
}

/** A request takes at most `timeoutMs` (2000), a transaction holds the database for at most `leaseMs` (5000). */
export function openClient(port: MessagePort, options: Partial<SqliteClientOptions> = {}): SqliteClient {
  return new SqliteClient(port, { timeoutMs: 2000, leaseMs: 5000, ...options })
}

/** What serving calls needs of the store, over a client's line to the database thread. */
export function sqliteCallStore(client: SqliteClient): SqliteCallStore {
  return {
    keys: {
      async findByDigest(digest) {
        const { rows } = await client.read({ sql: 'select * from keys where digest = ?', parameters: [digest] })
        const [row] = rows as Parameters<typeof toRecord>[0][]
        return row && toRecord(row)
      },
    },
    events: { append: events => client.append(events.map(eventRow)) },
    changes: client.changes,
    reattach: next => client.attach(next),
    async [Symbol.asyncDispose]() {
      client.close()
    },
  }
}
