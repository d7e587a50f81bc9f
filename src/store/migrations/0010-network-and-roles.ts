import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Columns } from './columns.ts'

/** Roles of keys, and from where keys and the credentials of a project may be used; null = nothing is said. */
export function networkAndRoles({ json }: Columns): Migration {
  return {
    async up(db: Kysely<unknown>) {
      // One column a statement: SQLite adds no more.
      await db.schema.alterTable('keys').addColumn('roles', json).execute()
      await db.schema.alterTable('keys').addColumn('denied_cidrs', json).execute()
      await db.schema.alterTable('projects').addColumn('cidrs', json).execute()
      await db.schema.alterTable('projects').addColumn('denied_cidrs', json).execute()
    },
  }
}
