import type { PostgresPool } from 'kysely'

/** Runs one statement on a connection of the pool; resolves to its rows. */
export async function run(pool: PostgresPool, sql: string, parameters: unknown[]): Promise<readonly unknown[]> {
  const client = await pool.connect()
  try {
    return (await client.query(sql, parameters)).rows
  } finally {
    client.release()
  }
}
