import { DatabaseSync } from 'node:sqlite'
import { Problem } from '#core/problems.ts'
import { createPrivately } from './connections.ts'
import { sqliteFailure, sqliteProblem } from './problems.ts'

const BUSY_TIMEOUT_MS = 10_000

/**
 * Writes the database as it is at this moment into a new file, also while a gateway writes to it: one reading
 * transaction, for which no writer waits. What was deleted is not in it. Throws `store.unavailable`.
 */
export function snapshotSqlite(file: string, target: string): void {
  createPrivately(target)
  try {
    using database = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
    database.prepare('vacuum into ?').run(target)
  } catch (error) {
    throw error instanceof Problem ? error : sqliteProblem(sqliteFailure(error))
  }
}
