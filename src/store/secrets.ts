import type { Kysely, Selectable, Transaction } from 'kysely'
import { Problem } from '#core/problems.ts'
import { recordEvent } from './events.ts'
import type { SecretStore, SecretVersion, SecretVersionSummary } from './secrets-port.ts'
import type { SecretVersionsTable, Tables } from './tables.ts'

/** The queries on secrets, the same for every database. */
export function secretStore(db: Kysely<Tables>): SecretStore {
  return {
    async find(name) {
      const rows = await versions(db)
        .selectAll('secret_versions')
        .where('name', '=', name)
        .orderBy('secret_versions.version', 'desc')
        .execute()
      return rows.map(toVersion)
    },
    list: page => list(db, page),
    async count() {
      const { count } = await db
        .selectFrom('secrets')
        .select(({ fn }) => fn.countAll<number | string>().as('count'))
        .executeTakeFirstOrThrow()
      return Number(count)
    },
    put: (version, previousEndsAt, event) =>
      db.transaction().execute(async transaction => {
        await advance(transaction, version)
        await retire(transaction, version, previousEndsAt)
        await transaction.insertInto('secret_versions').values(toRow(version)).execute()
        await recordEvent(transaction, event)
      }),
    delete: (id, event) =>
      db.transaction().execute(async transaction => {
        await transaction.deleteFrom('secret_versions').where('secret', '=', id).execute()
        const { numDeletedRows } = await transaction.deleteFrom('secrets').where('id', '=', id).executeTakeFirst()
        if (numDeletedRows > 0n) await recordEvent(transaction, event)
        return numDeletedRows > 0n
      }),
    deleteVersion: (id, version, event) =>
      db.transaction().execute(async transaction => {
        const { numDeletedRows } = await transaction
          .deleteFrom('secret_versions')
          .where('secret', '=', id)
          .where('version', '=', version)
          .where('ends_at', 'is not', null)
          .executeTakeFirst()
        if (numDeletedRows > 0n) await recordEvent(transaction, event)
        return numDeletedRows > 0n
      }),
    async ending(limit) {
      const rows = await summaries(db).where('ends_at', 'is not', null).orderBy('ends_at').limit(limit).execute()
      return rows.map(toSummary)
    },
    async underOtherKek(kekId, limit) {
      const rows = await versions(db)
        .selectAll('secret_versions')
        .where('kek_id', '<>', kekId)
        .orderBy('secret')
        .orderBy('secret_versions.version')
        .limit(limit)
        .execute()
      return rows.map(toVersion)
    },
    async countByKek() {
      const rows = await db
        .selectFrom('secret_versions')
        .select(({ fn }) => ['kek_id', fn.countAll<number | string>().as('count')])
        .groupBy('kek_id')
        .execute()
      return new Map(rows.map(row => [row.kek_id, Number(row.count)]))
    },
    rewrap: (keys, event) =>
      db.transaction().execute(async transaction => {
        let changed = 0
        for (const { id, version, before, after } of keys) {
          const { numUpdatedRows } = await transaction
            .updateTable('secret_versions')
            .set({ kek_id: after.kekId, wrapped_key: after.wrappedKey })
            .where('secret', '=', id)
            .where('version', '=', version)
            .where('kek_id', '=', before.kekId)
            .where('wrapped_key', '=', before.wrappedKey)
            .executeTakeFirst()
          changed += Number(numUpdatedRows)
        }
        await recordEvent(transaction, event)
        return changed
      }),
  }
}

async function list(db: Kysely<Tables>, { limit, after }: Parameters<SecretStore['list']>[0]) {
  const named = db.selectFrom('secrets').select('id').orderBy('name').limit(limit)
  const page = await (after === undefined ? named : named.where('name', '>', after)).execute()
  if (page.length === 0) return []
  const rows = await summaries(db)
    .where(
      'secret',
      'in',
      page.map(({ id }) => id),
    )
    .orderBy('secret_versions.version', 'desc')
    .execute()
  const byId = Map.groupBy(rows.map(toSummary), ({ id }) => id)
  return page.flatMap(({ id }) => {
    const [newest, ...older] = byId.get(id) ?? []
    return newest === undefined ? [] : [[newest, ...older] as const]
  })
}

/** The secret's row says which version is the newest: only the one after it may come, so that two writers cannot both. */
async function advance(transaction: Transaction<Tables>, { id, name, version, createdAt }: SecretVersion) {
  if (version === 1) {
    await transaction.insertInto('secrets').values({ id, name, version, created_at: createdAt }).execute()
    return
  }
  const { numUpdatedRows } = await transaction
    .updateTable('secrets')
    .set({ version })
    .where('id', '=', id)
    .where('version', '=', version - 1)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw new Problem('store.conflict')
}

async function retire(transaction: Transaction<Tables>, { id, version }: SecretVersion, endsAt: number | null) {
  const older = transaction.deleteFrom('secret_versions').where('secret', '=', id)
  await (endsAt === null ? older : older.where('version', '<', version - 1)).execute()
  if (endsAt === null) return
  await transaction.updateTable('secret_versions').set({ ends_at: endsAt }).where('secret', '=', id).execute()
}

function versions(db: Kysely<Tables>) {
  return db
    .selectFrom('secret_versions')
    .innerJoin('secrets', 'secrets.id', 'secret_versions.secret')
    .select('secrets.name')
}

function summaries(db: Kysely<Tables>) {
  return versions(db).select(['secret', 'secret_versions.version', 'kek_id', 'secret_versions.created_at', 'ends_at'])
}

type SummaryRow = Omit<Selectable<SecretVersionsTable>, 'wrapped_key' | 'ciphertext'> & { readonly name: string }

function toSummary(row: SummaryRow): SecretVersionSummary {
  return {
    id: row.secret,
    name: row.name,
    version: row.version,
    kekId: row.kek_id,
    createdAt: row.created_at,
    endsAt: row.ends_at,
  }
}

function toVersion(row: Selectable<SecretVersionsTable> & { readonly name: string }): SecretVersion {
  return { ...toSummary(row), wrappedKey: row.wrapped_key, ciphertext: row.ciphertext }
}

function toRow(version: SecretVersion): SecretVersionsTable {
  return {
    secret: version.id,
    version: version.version,
    kek_id: version.kekId,
    wrapped_key: version.wrappedKey,
    ciphertext: version.ciphertext,
    created_at: version.createdAt,
    ends_at: version.endsAt,
  }
}
