import type { Kysely } from 'kysely'
import type { RecordChange } from './changes.ts'
import { recordEvent } from './events.ts'
import { toRecord, toRow } from './key-row.ts'
import type { KeyLookup, KeyStore } from './ports.ts'
import type { Tables } from './tables.ts'

/** The queries on keys, the same for every database, but for the one of the hot path. */
export function keyStore(db: Kysely<Tables>, recordChange: RecordChange): Omit<KeyStore, keyof KeyLookup> {
  return {
    async insert(key, event) {
      await db.transaction().execute(async transaction => {
        await transaction.insertInto('keys').values(toRow(key)).execute()
        await recordEvent(transaction, event)
      })
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
        await recordEvent(transaction, event)
        await recordChange(transaction, { topic: 'key.revoked', subject: id }, at)
        return toRecord(revoked)
      }),
  }
}
