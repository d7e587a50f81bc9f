import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Columns } from './columns.ts'

/** What lists of keys are sorted and filtered by, so that none of them reads all keys; and when a key's text was reported as leaked. */
export function keyListIndexes(columns: Columns): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable('keys').addColumn('leak_reported_at', columns.integer).execute()
      // As `key-query.ts` sorts.
      await sql`create index keys_by_name on keys (name, id)`.execute(db)
      await sql`create index keys_by_expiry on keys (coalesce(expires_at, 9007199254740991), id)`.execute(db)
      await sql`create index keys_by_use on keys (coalesce(last_used_at, 0), id)`.execute(db)
      await createKeyMetadata(db, columns)
      await copyMetadata(db)
    },
  }
}

/** The metadata of keys once more, as rows: the names are the operators' own, so that no index on JSON would know them. */
async function createKeyMetadata(db: Kysely<unknown>, { id, tableEnd }: Columns): Promise<void> {
  await db.schema
    .createTable('key_metadata')
    .addColumn('name', id, column => column.notNull())
    .addColumn('value', id, column => column.notNull())
    .addColumn('key_id', id, column => column.notNull().references('keys.id'))
    .addPrimaryKeyConstraint('key_metadata_pk', ['name', 'value', 'key_id'])
    .modifyEnd(tableEnd)
    .execute()
  await db.schema.createIndex('key_metadata_key').on('key_metadata').column('key_id').execute()
}

const PAGE = 1000

async function copyMetadata(db: Kysely<unknown>): Promise<void> {
  for (let after = ''; ; ) {
    const { rows } = await sql<{ id: string; metadata: string }>`select id, cast(metadata as text) as metadata from keys
      where id > ${after} and cast(metadata as text) <> '{}' order by id limit ${PAGE}`.execute(db)
    const pairs = rows.flatMap(({ id, metadata }) =>
      Object.entries(JSON.parse(metadata) as Record<string, string>).map(([name, value]) => ({ id, name, value })),
    )
    for (const { id, name, value } of pairs) {
      await sql`insert into key_metadata (name, value, key_id) values (${name}, ${value}, ${id})`.execute(db)
    }
    if (rows.length < PAGE) return
    after = rows.at(-1)?.id as string
  }
}
