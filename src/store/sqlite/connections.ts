import { chmodSync, closeSync, openSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import type { Statement, StatementResult } from './messages.ts'

const KEPT_STATEMENTS = 128
const BUSY_TIMEOUT_MS = 250

/** The two connections of the database thread. */
export interface Connections extends Disposable {
  readonly writer: Connection
  readonly reader: Connection
}

/** Opens the file, made if need be, for its owner only. Throws SQLite's errors. */
export function openConnections(file: string): Connections {
  createPrivately(file)
  const writer = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  // Twice the default: fewer and fuller pages for rows of events cost a tenth less to write.
  writer.exec('pragma page_size = 8192')
  writer.exec('pragma journal_mode = wal')
  // `full` syncs the log at each commit: what was acknowledged survives a loss of power.
  writer.exec('pragma synchronous = full; pragma foreign_keys = on; pragma journal_size_limit = 67108864')
  // What is deleted is overwritten, so that a secret that was destroyed is not in free pages.
  writer.exec('pragma secure_delete = on')
  // Who waits for a foreign lock must not stop the thread: the write queue tries again by itself.
  writer.exec('pragma busy_timeout = 0')
  const reader = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  return {
    writer: new Connection(writer),
    reader: new Connection(reader),
    [Symbol.dispose]() {
      reader.close()
      if (writer.isTransaction) writer.exec('rollback')
      writer.exec('pragma wal_checkpoint(truncate)')
      writer.close()
    },
  }
}

/** Runs statements; the ones used last stay prepared. */
export class Connection {
  readonly #database: DatabaseSync
  readonly #prepared = new Map<string, { readonly statement: StatementSync; readonly returnsRows: boolean }>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  get inTransaction(): boolean {
    return this.#database.isTransaction
  }

  run({ sql, parameters }: Statement): StatementResult {
    const { statement, returnsRows } = this.#prepare(sql)
    const values = parameters as readonly SQLInputValue[]
    if (returnsRows) return { rows: statement.all(...values), changes: 0 }
    return { rows: [], changes: Number(statement.run(...values).changes) }
  }

  #prepare(sql: string) {
    const kept = this.#prepared.get(sql)
    if (kept !== undefined) return kept
    const statement = this.#database.prepare(sql)
    const prepared = { statement, returnsRows: statement.columns().length > 0 }
    if (this.#prepared.size >= KEPT_STATEMENTS) this.#prepared.delete(this.#prepared.keys().next().value as string)
    this.#prepared.set(sql, prepared)
    return prepared
  }
}

/**
 * SQLite gives its log and shared memory the mode of the database. An existing file is not opened here: closing any
 * descriptor of it would end the locks that this process holds on it (POSIX, fcntl).
 */
export function createPrivately(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  chmodSync(file, 0o600)
}
