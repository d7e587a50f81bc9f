import { join } from 'node:path'
import { loadConfig } from '#config/load.ts'
import { findDataDirectory } from '#secrets/data-directory.ts'
import type { AuditReader } from '#store/audit-reader.ts'
import type { Io } from './command.ts'

/** The audit of the configured database, for reading only. Rejects with `store.unavailable` or `config.invalid`. */
export async function openAudit({ env }: Io, { snapshot }: { readonly snapshot: boolean }): Promise<AuditReader> {
  // Nobody needs the secrets of providers here.
  const { store } = loadConfig({ env, withSecrets: false }).config
  if (store.kind === 'sqlite') {
    const { openSqliteAudit } = await import('#store/sqlite/audit-reader.ts')
    return openSqliteAudit(join(findDataDirectory(env), 'ostiary.db'), snapshot)
  }
  const { openPostgresAudit } = await import('#store/postgres/audit-reader.ts')
  return openPostgresAudit(loadConfig({ env }).secrets.get(store.url).reveal(), snapshot)
}
