import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Columns } from './columns.ts'

/** Projects, all that a key carries, and the secrets of keys in a table of their own: a rotated key has several. */
export function projectsKeySecrets(columns: Columns): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await createProjects(db, columns)
      // SQLite drops no unique column, so the table is made anew.
      await sql`alter table keys rename to keys_before`.execute(db)
      await createKeys(db, columns)
      await createKeySecrets(db, columns)
      await copyKeys(db)
      await sql`drop table keys_before`.execute(db)
    },
  }
}

async function createProjects(db: Kysely<unknown>, { id, integer, json, tableEnd }: Columns): Promise<void> {
  await db.schema
    .createTable('projects')
    .addColumn('id', id, column => column.primaryKey())
    .addColumn('name', id, column => column.notNull().unique())
    .addColumn('description', 'text')
    .addColumn('metadata', json, column => column.notNull())
    .addColumn('version', integer, column => column.notNull())
    .addColumn('created_at', integer, column => column.notNull())
    .addColumn('updated_at', integer, column => column.notNull())
    .modifyEnd(tableEnd)
    .execute()
  const now = Date.now()
  await sql`insert into projects (id, name, metadata, version, created_at, updated_at)
    values ('proj_default', 'default', '{}', 1, ${now}, ${now})`.execute(db)
}

async function createKeys(db: Kysely<unknown>, { id, integer, json, tableEnd }: Columns): Promise<void> {
  await db.schema
    .createTable('keys')
    .addColumn('id', id, column => column.primaryKey())
    .addColumn('project_id', id, column => column.notNull().references('projects.id'))
    .addColumn('name', id, column => column.notNull())
    .addColumn('environment', 'text', column => column.notNull().check(sql`environment in ('live', 'test')`))
    .addColumn('scopes', json)
    .addColumn('models', json)
    .addColumn('operations', json)
    .addColumn('cidrs', json)
    .addColumn('limits', json)
    .addColumn('budgets', json)
    .addColumn('metadata', json, column => column.notNull())
    .addColumn('version', integer, column => column.notNull())
    .addColumn('created_at', integer, column => column.notNull())
    .addColumn('created_by', 'text', column => column.notNull())
    .addColumn('updated_at', integer, column => column.notNull())
    .addColumn('expires_at', integer)
    .addColumn('disabled_at', integer)
    .addColumn('revoked_at', integer)
    .addColumn('last_used_at', integer)
    .addColumn('last_used_from', 'text')
    .addColumn('expiry_warned_at', integer)
    .modifyEnd(tableEnd)
    .execute()
  await db.schema.createIndex('keys_project').on('keys').columns(['project_id', 'id']).execute()
  // Whoever looks for keys about to end must not read all others.
  await db.schema
    .createIndex('keys_expiry_untold')
    .on('keys')
    .column('expires_at')
    .where(sql.ref('expiry_warned_at'), 'is', null)
    .where(sql.ref('revoked_at'), 'is', null)
    .execute()
}

async function createKeySecrets(db: Kysely<unknown>, { id, integer, tableEnd }: Columns): Promise<void> {
  await db.schema
    .createTable('key_secrets')
    .addColumn('digest', id, column => column.primaryKey())
    .addColumn('key_id', id, column => column.notNull().references('keys.id'))
    .addColumn('pepper_id', 'text', column => column.notNull())
    .addColumn('hint', id, column => column.notNull())
    .addColumn('created_at', integer, column => column.notNull())
    .addColumn('expires_at', integer)
    .modifyEnd(tableEnd)
    .execute()
  await db.schema.createIndex('key_secrets_key').on('key_secrets').column('key_id').execute()
}

/** Who made a key stands in its event; those before this step did not say it here. */
async function copyKeys(db: Kysely<unknown>): Promise<void> {
  await sql`insert into keys (id, project_id, name, environment, metadata, version, created_at, created_by, updated_at,
      expires_at, revoked_at)
    select id, 'proj_default', name, environment, '{}', 1, created_at, 'unknown', coalesce(revoked_at, created_at),
      expires_at, revoked_at
    from keys_before`.execute(db)
  await sql`insert into key_secrets (digest, key_id, pepper_id, hint, created_at)
    select digest, id, pepper_id, hint, created_at from keys_before`.execute(db)
}
