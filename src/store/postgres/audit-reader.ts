import { Client } from 'pg'
import { type AuditReader, auditReader } from '#store/audit-reader.ts'
import { clientConfig } from './connections.ts'
import { postgresProblem } from './problems.ts'

const TIMEOUT_MS = 60_000

/** Reads over a connection of its own, in a read-only session. `snapshot`: all reads see one moment. */
export async function openPostgresAudit(url: string, snapshot: boolean): Promise<AuditReader> {
  const client = new Client({
    ...clientConfig({ url, timeoutMs: TIMEOUT_MS }),
    options: '-c default_transaction_read_only=on',
    // A page may take the reader longer to check than the server would wait for a gateway.
    idle_in_transaction_session_timeout: 0,
  })
  client.on('error', () => {})
  const ask = async (sql: string, parameters: readonly unknown[] = []) => {
    try {
      return (await client.query(sql, [...parameters])).rows
    } catch (error) {
      throw postgresProblem(error)
    }
  }
  try {
    await client.connect()
  } catch (error) {
    throw postgresProblem(error)
  }
  if (snapshot) await ask('begin isolation level repeatable read read only')
  return auditReader(ask, () => client.end())
}
