import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Columns } from './columns.ts'

/** Operator tokens, and the answers that an idempotency key stands for. */
export function operatorTokens(columns: Columns): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await createOperatorTokens(db, columns)
      await createIdempotencyKeys(db, columns)
    },
  }
}

async function createOperatorTokens(db: Kysely<unknown>, { id, integer, tableEnd }: Columns): Promise<void> {
  await db.schema
    .createTable('operator_tokens')
    .addColumn('id', id, column => column.primaryKey())
    .addColumn('name', 'text', column => column.notNull())
    .addColumn('digest', 'text', column => column.notNull().unique())
    .addColumn('scopes', 'text', column => column.notNull())
    .addColumn('projects', 'text')
    .addColumn('created_at', integer, column => column.notNull())
    .addColumn('created_by', 'text', column => column.notNull())
    .addColumn('expires_at', integer)
    .addColumn('revoked_at', integer)
    .addColumn('last_used_at', integer)
    .modifyEnd(tableEnd)
    .execute()
}

async function createIdempotencyKeys(db: Kysely<unknown>, { id, integer, tableEnd }: Columns): Promise<void> {
  await db.schema
    .createTable('idempotency_keys')
    .addColumn('operator', id, column => column.notNull())
    .addColumn('operation', 'text', column => column.notNull())
    .addColumn('key_hash', 'text', column => column.notNull())
    .addColumn('request_hash', 'text', column => column.notNull())
    .addColumn('answer', 'text')
    .addColumn('expires_at', integer, column => column.notNull())
    .addPrimaryKeyConstraint('idempotency_keys_pk', ['operator', 'operation', 'key_hash'])
    .modifyEnd(tableEnd)
    .execute()
  await db.schema.createIndex('idempotency_keys_expires_at').on('idempotency_keys').column('expires_at').execute()
}
