import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Columns } from './columns.ts'

/** The vault: secrets, and their versions, which are sealed. */
export function secrets({ id, integer, tableEnd }: Columns): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable('secrets')
        .addColumn('id', id, column => column.primaryKey())
        .addColumn('name', id, column => column.notNull().unique())
        .addColumn('version', integer, column => column.notNull())
        .addColumn('created_at', integer, column => column.notNull())
        .modifyEnd(tableEnd)
        .execute()
      await db.schema
        .createTable('secret_versions')
        .addColumn('secret', id, column => column.notNull().references('secrets.id'))
        .addColumn('version', integer, column => column.notNull())
        .addColumn('kek_id', 'text', column => column.notNull())
        .addColumn('wrapped_key', 'text', column => column.notNull())
        .addColumn('ciphertext', 'text', column => column.notNull())
        .addColumn('created_at', integer, column => column.notNull())
        .addColumn('ends_at', integer)
        .addPrimaryKeyConstraint('secret_versions_key', ['secret', 'version'])
        .modifyEnd(tableEnd)
        .execute()
    },
  }
}
