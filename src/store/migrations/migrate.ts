import type { Kysely, Transaction } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { Problem } from '#core/problems.ts'
import { keysEventsChanges } from './0001-keys-events-changes.ts'
import { projectsKeySecrets } from './0002-projects-key-secrets.ts'
import { secrets } from './0003-secrets.ts'
import { auditChains } from './0004-audit-chains.ts'
import { operatorTokens } from './0005-operator-tokens.ts'
import { usageAllowances } from './0006-usage-allowances.ts'
import { keyListIndexes } from './0007-key-list-indexes.ts'
import { keyBinding } from './0008-key-binding.ts'
import { revocations } from './0009-revocations.ts'
import { networkAndRoles } from './0010-network-and-roles.ts'
import type { Columns } from './columns.ts'

const TABLE = 'migrations'

/** Every step of the schema by the name it is recorded under; steps are added, never changed, and only lead forward. */
function migrations(columns: Columns): Record<string, Migration> {
  return {
    '0001-keys-events-changes': keysEventsChanges(columns),
    '0002-projects-key-secrets': projectsKeySecrets(columns),
    '0003-secrets': secrets(columns),
    '0004-audit-chains': auditChains(columns),
    '0005-operator-tokens': operatorTokens(columns),
    '0006-usage-allowances': usageAllowances(columns),
    '0007-key-list-indexes': keyListIndexes(columns),
    '0008-key-binding': keyBinding(columns),
    '0009-revocations': revocations(columns),
    '0010-network-and-roles': networkAndRoles(columns),
  }
}

/**
 * Brings the database to this program's schema: all steps or none, one program at a time.
 * Resolves to the steps that were missing. Rejects with `Problem('start.database_newer')` if a later version has been here.
 */
export async function migrate(
  db: Kysely<unknown>,
  columns: Columns,
  lock: (transaction: Transaction<unknown>) => Promise<void>,
): Promise<readonly string[]> {
  return db.transaction().execute(async transaction => {
    await lock(transaction)
    const known = migrations(columns)
    await refuseNewer(transaction, known)
    const migrator = new Migrator({
      db: transaction,
      provider: { getMigrations: async () => known },
      migrationTableName: TABLE,
      migrationLockTableName: 'migrations_lock',
    })
    const { error, results = [] } = await migrator.migrateToLatest()
    if (error !== undefined) throw error
    return results.map(({ migrationName }) => migrationName)
  })
}

async function refuseNewer(transaction: Transaction<unknown>, known: Record<string, Migration>): Promise<void> {
  const tables = await transaction.introspection.getTables({ withInternalKyselyTables: true })
  if (!tables.some(table => table.name === TABLE)) return
  const rows = await transaction
    .withTables<{ migrations: { name: string } }>()
    .selectFrom(TABLE)
    .select('name')
    .execute()
  const unknown = rows.map(row => row.name).filter(name => !(name in known))
  if (unknown.length > 0) {
    throw new Problem('start.database_newer', { detail: `The database has steps unknown here: ${unknown.join(', ')}.` })
  }
}
