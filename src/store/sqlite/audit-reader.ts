import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { type AuditReader, auditReader } from '#store/audit-reader.ts'
import { sqliteFailure, sqliteProblem } from './problems.ts'

const BUSY_TIMEOUT_MS = 2000

/**
 * Opens the file for reading only, also while a gateway writes to it. `snapshot`: all reads see one moment.
 * Throws `Problem('store.unavailable')`.
 */
export function openSqliteAudit(file: string, snapshot: boolean): AuditReader {
  const database = problems(() => new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS }))
  const prepared = new Map<string, StatementSync>()
  if (snapshot) database.exec('begin')
  return auditReader(
    async (sql, parameters) =>
      problems(() => {
        const statement = prepared.get(sql) ?? database.prepare(sql.replace(/\$(\d)/g, '?$1'))
        prepared.set(sql, statement)
        return statement.all(...(parameters as readonly SQLInputValue[]))
      }),
    async () => database.close(),
  )
}

function problems<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw sqliteProblem(sqliteFailure(error))
  }
}
