import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Columns } from './columns.ts'

/** The first tables: API keys, events in order of insertion, and the change feed. */
export function keysEventsChanges(columns: Columns): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await createKeys(db, columns)
      await createEvents(db, columns)
      await createChanges(db, columns)
    },
  }
}

async function createKeys(db: Kysely<unknown>, { id, integer, tableEnd }: Columns): Promise<void> {
  await db.schema
    .createTable('keys')
    .addColumn('id', id, column => column.primaryKey())
    .addColumn('name', 'text', column => column.notNull())
    .addColumn('environment', 'text', column => column.notNull().check(sql`environment in ('live', 'test')`))
    .addColumn('digest', 'text', column => column.notNull().unique())
    .addColumn('pepper_id', 'text', column => column.notNull())
    .addColumn('hint', 'text', column => column.notNull())
    .addColumn('created_at', integer, column => column.notNull())
    .addColumn('expires_at', integer)
    .addColumn('revoked_at', integer)
    .modifyEnd(tableEnd)
    .execute()
}

async function createEvents(db: Kysely<unknown>, { id, integer, json, sequence, tableEnd }: Columns): Promise<void> {
  await db.schema
    .createTable('events')
    .addColumn('seq', sequence, column => column.primaryKey())
    .addColumn('id', id, column => column.notNull().unique())
    .addColumn('at', integer, column => column.notNull())
    .addColumn('type', 'text', column => column.notNull())
    .addColumn('data', json, column => column.notNull())
    .modifyEnd(tableEnd)
    .execute()
  // Rare types must be found without reading millions of calls, and calls must not pay for it.
  await db.schema
    .createIndex('events_rare_type_seq')
    .on('events')
    .columns(['type', 'seq'])
    .where(sql.ref('type'), '<>', sql.lit('call'))
    .execute()
}

async function createChanges(db: Kysely<unknown>, { id, integer, sequence, tableEnd }: Columns): Promise<void> {
  await db.schema
    .createTable('changes')
    .addColumn('seq', sequence, column => column.primaryKey())
    .addColumn('topic', 'text', column => column.notNull())
    .addColumn('subject', id, column => column.notNull())
    .addColumn('at', integer, column => column.notNull())
    .modifyEnd(tableEnd)
    .execute()
  await db.schema.createIndex('changes_at').on('changes').column('at').execute()
}
