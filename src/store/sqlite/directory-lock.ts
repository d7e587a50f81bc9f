import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Problem } from '#core/problems.ts'
import { createPrivately } from './connections.ts'
import { isBusy } from './problems.ts'

/**
 * Claims the data directory for this process until disposed or dead: an exclusive transaction on a database of its own
 * is a lock that the operating system ends with the process, however it dies.
 * Throws `Problem('start.data_directory_in_use')`.
 */
export function lockDirectory(directory: string): Disposable {
  const file = join(directory, 'lock')
  createPrivately(file)
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    database.exec('begin exclusive')
  } catch (error) {
    database.close()
    throw isBusy(error) ? new Problem('start.data_directory_in_use', { detail: directory, cause: error }) : error
  }
  held.add(database)
  return {
    [Symbol.dispose]() {
      held.delete(database)
      database.close()
    },
  }
}

// A connection that nobody refers to is collected and closed, and the lock would silently end with it.
const held = new Set<DatabaseSync>()
