import { existsSync } from 'node:fs'
import { loadConfig } from '#config/load.ts'
import { systemClock } from '#core/clock.ts'
import { Problem } from '#core/problems.ts'
import { findDataDirectory, locateDatabase, makeDataDirectory, openDataDirectory } from '#secrets/data-directory.ts'
import { migratePostgres } from '#store/postgres/open.ts'
import { lockDirectory } from '#store/sqlite/directory-lock.ts'
import { migrateSqlite, startDatabaseThread } from '#store/sqlite/open.ts'
import { resetBootstrap } from './bootstrap.ts'
import { openDatabase } from './database.ts'
import { createLog } from './log.ts'

interface OfflineOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly configFile: string | undefined
}

/**
 * Brings the database to this program's schema. It may run beside a gateway and beside itself: in SQLite the write
 * transaction is the lock, in PostgreSQL an advisory lock. Resolves to the steps that were missing.
 */
export async function migrateOffline({ env, configFile }: OfflineOptions): Promise<readonly string[]> {
  const { config, secrets } = loadConfig({ env, file: configFile })
  if (config.store.kind === 'postgres') return migratePostgres(secrets.get(config.store.url).reveal())
  const folder = findDataDirectory(env)
  await using thread = await startDatabaseThread(prepareFile(folder))
  // Awaited here: the thread ends with this function.
  return await migrateSqlite(thread.connect())
}

/** A database needs the secrets beside it, or else the first start would take them for lost. Resolves to its path. */
function prepareFile(folder: string): string {
  makeDataDirectory(folder)
  try {
    using _lock = lockDirectory(folder)
    return openDataDirectory(folder).database
  } catch (error) {
    const file =
      error instanceof Problem && error.code === 'start.data_directory_in_use' ? locateDatabase(folder) : null
    if (file === null) throw error
    return file
  }
}

/**
 * Ends every operator token and writes a new bootstrap token. The gateway must be stopped, which the locks of the data
 * directory and of the database see to. Resolves to the ids of the tokens that it ended, and the new one's file.
 */
export async function resetTokens({ env, configFile }: OfflineOptions) {
  const { config, secrets } = loadConfig({ env, file: configFile })
  const folder = findDataDirectory(env)
  if (!existsSync(folder)) {
    throw new Problem('start.data_directory_unusable', {
      detail: `${folder} does not exist: has the gateway run here?`,
    })
  }
  using _lock = lockDirectory(folder)
  const { database: file, bootstrapTokenFile } = openDataDirectory(folder)
  await using database = await openDatabase({ config, secrets, file, log: createLog(config.log.level) })
  const ended = await resetBootstrap({ file: bootstrapTokenFile, store: database.store.tokens, clock: systemClock })
  return { ended, file: bootstrapTokenFile }
}
