import { type Kysely, sql, type Transaction } from 'kysely'
import { Problem } from '#core/problems.ts'
import type { RecordChange } from './changes.ts'
import { recordEvent } from './events.ts'
import { selectKeys } from './key-query.ts'
import { toColumns, toMetadataRows, toRecord, toRow, toSecret, toSecretRow } from './key-row.ts'
import type { KeyChange, KeyLookup, KeyRecord, KeySecret, KeyStore } from './ports.ts'
import type { KeysTable, Tables } from './tables.ts'

/** The queries on keys, the same for every database, but for those of the hot path. */
export function keyStore(db: Kysely<Tables>, recordChange: RecordChange): Omit<KeyStore, keyof KeyLookup> {
  return {
    insert: (key, event) =>
      db.transaction().execute(async transaction => {
        const project = await transaction
          .selectFrom('projects')
          .select('id')
          .where('id', '=', key.project)
          .executeTakeFirst()
        if (project === undefined) {
          throw new Problem('project.not_found', { detail: `There is no project ${key.project}.` })
        }
        await transaction.insertInto('keys').values(toRow(key)).execute()
        const secrets = key.secrets.map(secret => toSecretRow(key.id, secret))
        await transaction.insertInto('key_secrets').values(secrets).execute()
        await insertMetadata(transaction, key.id, key.metadata)
        await recordEvent(transaction, event)
      }),

    async find(id) {
      const rows = await db.selectFrom('keys').selectAll().where('id', '=', id).execute()
      return (await withSecrets(db, rows))[0]
    },

    async findBySecrets(digests) {
      if (digests.length === 0) return []
      const found = await db
        .selectFrom('key_secrets')
        .select(['digest', 'key_id'])
        .where('digest', 'in', digests)
        .execute()
      const ids = found.map(row => row.key_id)
      const rows = ids.length === 0 ? [] : await db.selectFrom('keys').selectAll().where('id', 'in', ids).execute()
      const keys = new Map((await withSecrets(db, rows)).map(key => [key.id, key]))
      const byDigest = new Map(found.map(row => [row.digest, keys.get(row.key_id)]))
      return digests.map(digest => byDigest.get(digest))
    },

    list: async query => withSecrets(db, await selectKeys(db, query).execute()),

    async newestPepperId() {
      const newest = db.selectFrom('keys').select('id').orderBy('id', 'desc').limit(1)
      const row = await db
        .selectFrom('key_secrets')
        .select('pepper_id')
        .where('key_id', '=', newest)
        .orderBy('created_at', 'desc')
        .limit(1)
        .executeTakeFirst()
      return row?.pepper_id
    },

    // Locks in one order everywhere: keys by id, then what events need, then the feed. Nobody waits in a circle.
    change: (ids, at, decide) =>
      db.transaction().execute(async transaction => {
        const keys = new Map<string, KeyRecord | undefined>()
        for (const id of [...new Set(ids)].sort()) keys.set(id, await hold(transaction, id))
        const changed: string[] = []
        for (const [id, key] of keys) {
          const change = key === undefined ? null : decide(key)
          if (change === null) continue
          await apply(transaction, id, change)
          keys.set(id, await hold(transaction, id))
          changed.push(id)
        }
        for (const id of changed) await recordChange(transaction, { topic: 'key.changed', subject: id }, at)
        return ids.map(id => keys.get(id))
      }),

    warnExpiring: ({ now, end, limit }, eventOf) =>
      db.transaction().execute(async transaction => {
        const found = await transaction
          .selectFrom('keys')
          .select('id')
          .where('expires_at', '>', now)
          .where('expires_at', '<=', end)
          .where('expiry_warned_at', 'is', null)
          .where('revoked_at', 'is', null)
          .orderBy('expires_at')
          .limit(limit)
          .execute()
        const told: KeysTable[] = []
        for (const id of found.map(row => row.id).sort()) {
          const update = transaction.updateTable('keys').set({ expiry_warned_at: now }).where('id', '=', id)
          told.push(...(await update.where('expiry_warned_at', 'is', null).returningAll().execute()))
        }
        for (const key of await withSecrets(transaction, told)) await recordEvent(transaction, eventOf(key))
        return told.length
      }),
  }
}

/** The key as it is; until the transaction ends nobody else changes it. */
async function hold(transaction: Transaction<Tables>, id: string): Promise<KeyRecord | undefined> {
  const rows = await transaction
    .updateTable('keys')
    .set(expression => ({ version: expression.ref('version') }))
    .where('id', '=', id)
    .returningAll()
    .execute()
  return (await withSecrets(transaction, rows))[0]
}

async function apply(transaction: Transaction<Tables>, id: string, change: KeyChange): Promise<void> {
  const { set, rotation, events } = change
  await transaction
    .updateTable('keys')
    .set(expression => ({ ...toColumns(set), version: expression('version', '+', 1) }))
    .where('id', '=', id)
    .execute()
  if (rotation !== undefined) {
    await transaction
      .updateTable('key_secrets')
      .set({ expires_at: rotation.graceEndsAt })
      .where('key_id', '=', id)
      .where(({ or, eb }) => or([eb('expires_at', 'is', null), eb('expires_at', '>', rotation.graceEndsAt)]))
      .execute()
    await transaction.insertInto('key_secrets').values(toSecretRow(id, rotation.secret)).execute()
  }
  if (set.metadata !== undefined) {
    await transaction.deleteFrom('key_metadata').where('key_id', '=', id).execute()
    await insertMetadata(transaction, id, set.metadata)
  }
  for (const event of events) await recordEvent(transaction, event)
}

async function insertMetadata(
  transaction: Transaction<Tables>,
  id: string,
  metadata: KeyRecord['metadata'],
): Promise<void> {
  const rows = toMetadataRows(id, metadata)
  if (rows.length > 0) await transaction.insertInto('key_metadata').values(rows).execute()
}

/** Keys with their secrets, in the order of the rows. */
async function withSecrets(db: Kysely<Tables>, rows: readonly KeysTable[]): Promise<KeyRecord[]> {
  if (rows.length === 0) return []
  const found = await db
    .selectFrom('key_secrets')
    .selectAll()
    .where(
      'key_id',
      'in',
      rows.map(row => row.id),
    )
    // The one without an end is the newest, also of two made in one millisecond.
    .orderBy(sql`case when expires_at is null then 0 else 1 end`)
    .orderBy('created_at', 'desc')
    .execute()
  const secrets = new Map<string, KeySecret[]>(rows.map(row => [row.id, []]))
  for (const row of found) secrets.get(row.key_id)?.push(toSecret(row))
  return rows.map(row => toRecord(row, secrets.get(row.id) ?? []))
}
