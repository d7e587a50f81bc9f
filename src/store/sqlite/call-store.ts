import type { MessagePort } from 'node:worker_threads'
import { type ChainHead, EMPTY_CHAIN } from '#core/audit-chain.ts'
import { toRecord } from '#store/key-row.ts'
import type { CallStore } from '#store/ports.ts'
import { CHAIN_HEAD } from './append-decisions.ts'
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
    events: {
      async head(chain) {
        const { rows } = await client.read({ sql: CHAIN_HEAD, parameters: [chain] })
        return (rows[0] as ChainHead | undefined) ?? EMPTY_CHAIN
      },
      async append(row) {
        const { rows } = await client.append(row)
        return rows[0] as ChainHead
      },
    },
    changes: client.changes,
    reattach: next => client.attach(next),
    async [Symbol.asyncDispose]() {
      client.close()
    },
  }
}
