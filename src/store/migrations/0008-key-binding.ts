import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Columns } from './columns.ts'

/** With what the callers of a key must prove that it is theirs; null = nothing. */
export function keyBinding({ json }: Columns): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable('keys').addColumn('binding', json).execute()
    },
  }
}
