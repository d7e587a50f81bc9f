import type { PostgresPool, PostgresPoolClient } from 'kysely'
import { type ClientConfig, DatabaseError, Pool, type PoolClient, types } from 'pg'

const BIGINT = 20
const JSONB = 3802

export interface PostgresOptions {
  readonly url: string
  /** Connections for queries (4); one more follows the changes. */
  readonly poolSize?: number
  /** Bound of every request, ms (2000). */
  readonly timeoutMs?: number
}

/** How every connection is made: nothing on it takes longer than `timeoutMs`. */
export function clientConfig({ url, timeoutMs = 2000 }: PostgresOptions): ClientConfig {
  return {
    connectionString: url,
    application_name: 'ostiary',
    connectionTimeoutMillis: Math.min(timeoutMs, 2000),
    statement_timeout: timeoutMs,
    // The client's own bound, for a server that no longer answers at all.
    query_timeout: timeoutMs,
    // A node that stalls inside a transaction must not hold its locks.
    idle_in_transaction_session_timeout: 5000,
    keepAlive: true,
    types: { getTypeParser },
  }
}

/** Rows as the other database gives them: 64-bit integers as numbers (all are below 2^53), JSON as text. */
const getTypeParser: typeof types.getTypeParser = (oid: number, format?: 'text' | 'binary') => {
  if (oid === BIGINT) return Number
  if (oid === JSONB) return (text: string) => text
  return types.getTypeParser(oid, format as 'text')
}

export function openPool(options: PostgresOptions): PostgresPool {
  const { timeoutMs = 2000, poolSize: max = 4 } = options
  // In a pool it is also how long a request waits for a connection that others use: as long as for anything else.
  const pool = new Pool({ ...clientConfig(options), connectionTimeoutMillis: timeoutMs, max })
  // A server that goes away is met by the next query; without listeners, it would end the process.
  pool.on('error', () => {})
  pool.on('connect', client => client.on('error', () => {}))
  return {
    options: pool.options,
    connect: async () => discardIfBroken(await pool.connect()),
    end: () => pool.end(),
  }
}

/** A connection on which a query was left without an answer is not given to the next one, which would wait behind it. */
function discardIfBroken(client: PoolClient): PostgresPoolClient {
  let broken = false
  const query = async (sql: string, parameters: unknown[]) => {
    try {
      return await client.query(sql, parameters)
    } catch (error) {
      broken ||= !(error instanceof DatabaseError)
      throw error
    }
  }
  const release = (destroy?: boolean) => client.release(destroy || broken)
  // Kysely's type also has cursors, which the store does not use.
  return { query, release } as unknown as PostgresPoolClient
}
