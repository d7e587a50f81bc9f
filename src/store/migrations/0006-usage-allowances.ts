import type { CreateTableBuilder, Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Columns } from './columns.ts'

const COUNTS = [
  'requests',
  'failed',
  'refused',
  'input',
  'cached_input',
  'cache_write',
  'output',
  'reasoning',
  'audio_input',
  'audio_output',
  'image_input',
  'image_output',
  'cost_nano_usd',
  'unpriced',
  'estimated',
]

/** What calls used, rolled up by the hour, and the durable side of budgets. */
export function usageAllowances(columns: Columns): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await createUsageHours(db, columns)
      await createAllowances(db, columns)
    },
  }
}

async function createUsageHours(db: Kysely<unknown>, { id, integer, tableEnd }: Columns): Promise<void> {
  let table: CreateTableBuilder<'usage_hours', string> = db.schema
    .createTable('usage_hours')
    .addColumn('hour', integer, column => column.notNull())
  // Of one collation, so that pages are in one order in every database.
  for (const name of ['project_id', 'key_id', 'user_id', 'model', 'provider', 'environment']) {
    table = table.addColumn(name, id, column => column.notNull())
  }
  for (const name of COUNTS) table = table.addColumn(name, integer, column => column.notNull())
  await table
    .addPrimaryKeyConstraint('usage_hours_pk', [
      'hour',
      'project_id',
      'key_id',
      'user_id',
      'model',
      'provider',
      'environment',
    ])
    .modifyEnd(tableEnd)
    .execute()
  for (const name of ['project_id', 'key_id']) {
    await db.schema.createIndex(`usage_hours_${name}`).on('usage_hours').columns([name, 'hour']).execute()
  }
}

async function createAllowances(db: Kysely<unknown>, { id, integer, tableEnd }: Columns): Promise<void> {
  await db.schema
    .createTable('allowances')
    .addColumn('id', id, column => column.notNull())
    .addColumn('period', integer, column => column.notNull())
    .addColumn('epoch', id, column => column.notNull())
    .addColumn('used', integer, column => column.notNull())
    .addColumn('high', integer, column => column.notNull())
    .addColumn('closed', integer, column => column.notNull())
    .addColumn('charged', integer, column => column.notNull())
    .addPrimaryKeyConstraint('allowances_pk', ['id', 'period'])
    .modifyEnd(tableEnd)
    .execute()
  await db.schema.createIndex('allowances_period').on('allowances').column('period').execute()
}
