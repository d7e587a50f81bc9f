import { Problem } from '#core/problems.ts'
import type { SqliteFailure } from './messages.ts'

// Primary result codes (sqlite.org/rescode.html) that say: not now, or not on this disk.
const UNAVAILABLE = new Set([
  5, // busy
  6, // locked
  7, // no memory
  8, // read-only
  10, // I/O error
  11, // corrupt
  13, // full
  14, // cannot open
  15, // locking protocol
  26, // not a database
])
const CONFLICT = new Set([1555, 2067, 787]) // primary key, unique, foreign key

/** The registered problem of a failure of SQLite; what is neither outage nor conflict is a defect of the program. */
export function sqliteProblem({ message, code }: SqliteFailure): Error {
  const cause = new Error(`SQLite: ${message} (${code ?? 'no code'})`)
  if (code === null) return new Problem('store.unavailable', { cause })
  if (CONFLICT.has(code)) return new Problem('store.conflict', { cause })
  if (UNAVAILABLE.has(code & 0xff)) return new Problem('store.unavailable', { cause })
  return cause
}

export function sqliteFailure(error: unknown): SqliteFailure {
  const { message, errcode } = error as Error & { errcode?: number }
  return { message, code: errcode ?? null }
}

export function isBusy(error: unknown): boolean {
  const { code } = sqliteFailure(error)
  return code !== null && (code & 0xff) === 5
}
