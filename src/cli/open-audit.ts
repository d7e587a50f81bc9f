import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '#config/load.ts'
import { Problem } from '#core/problems.ts'
import { findDataDirectory } from '#secrets/data-directory.ts'
import type { AuditReader } from '#store/audit-reader.ts'
import type { Io } from './command.ts'

/**
 * The audit of the configured database, for reading only. Rejects with `store.unavailable`,
 * `start.data_directory_unusable` or `config.invalid`.
 */
export async function openAudit({ env }: Io, { snapshot }: { readonly snapshot: boolean }): Promise<AuditReader> {
  // Nobody needs the secrets of providers here.
  const { store } = loadConfig({ env, withSecrets: false }).config
  if (store.kind === 'sqlite') {
    const { openSqliteAudit } = await import('#store/sqlite/audit-reader.ts')
    const file = join(findDataDirectory(env), 'ostiary.db')
    if (!existsSync(file)) {
      throw new Problem('start.data_directory_unusable', {
        detail: `There is no database ${file}: has the gateway run here? OSTIARY_DATA_DIR names the data directory.`,
      })
    }
    return openSqliteAudit(file, snapshot)
  }
  const { openPostgresAudit } = await import('#store/postgres/audit-reader.ts')
  return openPostgresAudit(loadConfig({ env }).secrets.get(store.url).reveal(), snapshot)
}
