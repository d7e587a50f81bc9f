import type { MessagePort } from 'node:worker_threads'
import { type ChainHead, EMPTY_CHAIN } from '#core/audit-chain.ts'
import { CALL_KEY, type CallKeyRow, toCallKey } from '#store/call-key.ts'
import type { CallStore } from '#store/ports.ts'
import { type TokenStandingRow, tokenStanding, toParameters, toTokenStanding } from '#store/token-standing.ts'
import { sqliteAllowances } from './allowances.ts'
import { CHAIN_HEAD } from './append-decisions.ts'
import { SqliteClient, type SqliteClientOptions } from './client.ts'

export interface SqliteCallStore extends CallStore {
  /** Speaks with a new database thread, after the one before has died. */
  reattach(port: MessagePort): void
}

const FIND = `${CALL_KEY}?`

const STANDING = tokenStanding(() => '?')

const NOTE_USES = `update keys set last_used_at = used.at, last_used_from = used.source
  from (select value ->> 'id' as id, value ->> 'at' as at, value ->> 'source' as source from json_each(?)) as used
  where keys.id = used.id and coalesce(keys.last_used_at, 0) < used.at`

/** A request takes at most `timeoutMs` (2000), a transaction holds the database for at most `leaseMs` (5000). */
export function openClient(port: MessagePort, options: Partial<SqliteClientOptions> = {}): SqliteClient {
  return new SqliteClient(port, { timeoutMs: 2000, leaseMs: 5000, ...options })
}

/** What serving calls needs of the store, over a client's line to the database thread. */
export function sqliteCallStore(client: SqliteClient): SqliteCallStore {
  return {
    keys: {
      async findByDigest(digest) {
        const { rows } = await client.read({ sql: FIND, parameters: [digest] })
        const [row] = rows as readonly CallKeyRow[]
        return row && toCallKey(row)
      },
      async noteUses(uses) {
        await client.write({ sql: NOTE_USES, parameters: [JSON.stringify(uses)] })
      },
    },
    events: {
      async head(chain) {
        const { rows } = await client.read({ sql: CHAIN_HEAD, parameters: [chain] })
        return (rows[0] as ChainHead | undefined) ?? EMPTY_CHAIN
      },
      async append(row, usage) {
        const { rows } = await client.append(row, usage)
        return rows[0] as ChainHead
      },
    },
    allowances: sqliteAllowances(client),
    revocations: {
      async judge(token) {
        const { rows } = await client.read({ sql: STANDING, parameters: toParameters(token) })
        return toTokenStanding(rows[0] as TokenStandingRow)
      },
    },
    changes: client.changes,
    reattach: next => client.attach(next),
    async [Symbol.asyncDispose]() {
      client.close()
    },
  }
}
