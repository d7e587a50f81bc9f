import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Columns } from './columns.ts'

/** The revocation list of tokens. */
export function revocations({ id, integer, tableEnd }: Columns): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('revocations')
        .addColumn('id', id, column => column.primaryKey())
        .addColumn('issuer', id, column => column.notNull())
        .addColumn('kind', 'text', column =>
          column.notNull().check(sql`kind in ('token', 'subject', 'client', 'session', 'key')`),
        )
        .addColumn('value', id, column => column.notNull())
        .addColumn('not_before', integer)
        .addColumn('reason', 'text')
        .addColumn('created_at', integer, column => column.notNull())
        .addColumn('created_by', 'text', column => column.notNull())
        .addColumn('expires_at', integer)
        .modifyEnd(tableEnd)
        .execute()
      // As `token-standing.ts` searches, without a look at the row itself.
      await db.schema
        .createIndex('revocations_target')
        .on('revocations')
        .columns(['issuer', 'kind', 'value', 'not_before'])
        .execute()
      await db.schema.createIndex('revocations_end').on('revocations').column('expires_at').execute()
    },
  }
}
