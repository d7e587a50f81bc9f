import type { Kysely, Selectable } from 'kysely'
import type { RecordChange } from './changes.ts'
import { eventRow } from './events.ts'
import type { KeyRecord, KeyStore } from './ports.ts'
import type { KeysTable, Tables } from './tables.ts'

/** The queries on keys, the same for every database. */
export function keyStore(db: Kysely<Tables>, recordChange: RecordChange): KeyStore {
  return {
    async insert(key, event) {
      await db.transaction().execute(async transaction => {
        await transaction.insertInto('keys').values(toRow(key)).execute()
        await transaction.insertInto('events').values(eventRow(event)).execute()
      })
    },

    async findByDigest(digest) {
      const row = await db.selectFrom('keys').selectAll().where('digest', '=', digest).executeTakeFirst()
      return row && toRecord(row)
    },

    async find(id) {
      const row = await db.selectFrom('keys').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toRecord(row)
    },

    // Ids ascend by time of creation, so that the primary key is the order of the list.
    async list({ limit, after }) {
      const newest = db.selectFrom('keys').selectAll().orderBy('id', 'desc').limit(limit)
      const page = after === undefined ? newest : newest.where('id', '<', after)
      return (await page.execute()).map(toRecord)
    },

    revoke: (id, at, event) =>
      db.transaction().execute(async transaction => {
        const revoked = await transaction
          .updateTable('keys')
          .set({ revoked_at: at })
          .where('id', '=', id)
          .where('revoked_at', 'is', null)
          .returningAll()
          .executeTakeFirst()
        if (revoked === undefined) {
          const row = await transaction.selectFrom('keys').selectAll().where('id', '=', id).executeTakeFirst()
          return row && toRecord(row)
        }
        await transaction.insertInto('events').values(eventRow(event)).execute()
        await recordChange(transaction, { topic: 'key.revoked', subject: id }, at)
        return toRecord(revoked)
      }),
  }
}

function toRow(key: KeyRecord): KeysTable {
  return {
    id: key.id,
    name: key.name,
    environment: key.environment,
    digest: key.digest,
    pepper_id: key.pepperId,
    hint: key.hint,
    created_at: key.createdAt,
    expires_at: key.expiresAt,
    revoked_at: key.revokedAt,
  }
}

function toRecord(row: Selectable<KeysTable>): KeyRecord {
  return {
    id: row.id,
    name: row.name,
    environment: row.environment,
    digest: row.digest,
    pepperId: row.pepper_id,
    hint: row.hint,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  }
}
