import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import {
  CHANGES_CHAIN,
  type ChainHead,
  changeHash,
  decisionHash,
  EMPTY_CHAIN,
  LEGACY_CHAIN,
} from '#core/audit-chain.ts'
import type { Columns } from './columns.ts'

const PAGE = 1000
const BATCH = 100

/** What the tables hold while this step runs. */
type Tables = {
  events: { seq: number; id: string; at: number; type: string; data: string }
  audit_changes: { seq: number; id: string; at: number; type: string; data: string; hash: string }
  audit_decisions: {
    chain: string
    seq: number
    first_at: number
    last_at: number
    count: number
    data: string
    hash: string
  }
  audit_heads: { chain: string; seq: number; hash: string }
}

/** Chains of events that tell of any change to them, in place of the table of events, which move there in their order. */
export function auditChains(columns: Columns): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await createChanges(db, columns)
      await createDecisions(db, columns)
      await createHeads(db, columns)
      await createCheckpoints(db, columns)
      await moveEvents(db.withTables<Tables>())
      await db.schema.dropTable('events').execute()
    },
  }
}

async function createChanges(db: Kysely<unknown>, { id, integer, tableEnd }: Columns): Promise<void> {
  await db.schema
    .createTable('audit_changes')
    .addColumn('seq', integer, column => column.primaryKey())
    .addColumn('id', id, column => column.notNull().unique())
    .addColumn('at', integer, column => column.notNull())
    .addColumn('type', 'text', column => column.notNull())
    // Not jsonb, which forgets how it was written: what is hashed is the text.
    .addColumn('data', 'text', column => column.notNull())
    .addColumn('hash', 'text', column => column.notNull())
    .modifyEnd(tableEnd)
    .execute()
  await db.schema.createIndex('audit_changes_at').on('audit_changes').columns(['at', 'seq']).execute()
  await db.schema.createIndex('audit_changes_type').on('audit_changes').columns(['type', 'at', 'seq']).execute()
}

async function createDecisions(db: Kysely<unknown>, { id, integer, tableEnd }: Columns): Promise<void> {
  await db.schema
    .createTable('audit_decisions')
    .addColumn('chain', id, column => column.notNull())
    .addColumn('seq', integer, column => column.notNull())
    .addColumn('first_at', integer, column => column.notNull())
    .addColumn('last_at', integer, column => column.notNull())
    .addColumn('count', integer, column => column.notNull())
    .addColumn('hash', 'text', column => column.notNull())
    // Last, so that the other columns are read without it.
    .addColumn('data', 'text', column => column.notNull())
    .addPrimaryKeyConstraint('audit_decisions_pk', ['chain', 'seq'])
    .modifyEnd(tableEnd)
    .execute()
  const time = db.schema.createIndex('audit_decisions_at').on('audit_decisions')
  await time.columns(['last_at', 'chain', 'seq']).execute()
}

async function createHeads(db: Kysely<unknown>, { id, integer, tableEnd }: Columns): Promise<void> {
  await db.schema
    .createTable('audit_heads')
    .addColumn('chain', id, column => column.primaryKey())
    .addColumn('seq', integer, column => column.notNull())
    .addColumn('hash', 'text', column => column.notNull())
    .modifyEnd(tableEnd)
    .execute()
}

async function createCheckpoints(db: Kysely<unknown>, { integer, tableEnd }: Columns): Promise<void> {
  await db.schema
    .createTable('audit_checkpoints')
    .addColumn('seq', integer, column => column.primaryKey())
    .addColumn('at', integer, column => column.notNull())
    .addColumn('heads', 'text', column => column.notNull())
    .addColumn('previous', 'text', column => column.notNull())
    .addColumn('key_id', 'text', column => column.notNull())
    .addColumn('signature', 'text', column => column.notNull())
    .modifyEnd(tableEnd)
    .execute()
}

async function moveEvents(db: Kysely<Tables>): Promise<void> {
  let changes = EMPTY_CHAIN
  let decisions = EMPTY_CHAIN
  let batch: Tables['events'][] = []
  const flush = async () => {
    if (batch.length > 0) decisions = await moveBatch(db, decisions, batch)
    batch = []
  }
  for (let after = 0; ; ) {
    const page = await db.selectFrom('events').selectAll().where('seq', '>', after).orderBy('seq').limit(PAGE).execute()
    for (const event of page) {
      if (event.type !== 'call' && event.type !== 'refusals') changes = await moveChange(db, changes, event)
      else if (batch.push(event) === BATCH) await flush()
    }
    const last = page.at(-1)
    if (last === undefined) break
    after = last.seq
  }
  await flush()
  await db
    .insertInto('audit_heads')
    .values({ chain: CHANGES_CHAIN, ...changes })
    .execute()
}

async function moveChange(db: Kysely<Tables>, head: ChainHead, event: Tables['events']): Promise<ChainHead> {
  const { id, at, type } = event
  const link = { id, at, type, data: event.data }
  const seq = head.seq + 1
  const hash = changeHash(head.hash, seq, link)
  await db
    .insertInto('audit_changes')
    .values({ seq, ...link, hash })
    .execute()
  return { seq, hash }
}

async function moveBatch(db: Kysely<Tables>, head: ChainHead, batch: readonly Tables['events'][]): Promise<ChainHead> {
  const times = batch.map(({ at }) => at)
  const link = {
    firstAt: Math.min(...times),
    lastAt: Math.max(...times),
    count: batch.length,
    data: batch.map(({ data }) => data).join('\n'),
  }
  const seq = head.seq + 1
  const hash = decisionHash(head.hash, LEGACY_CHAIN, seq, link)
  const { firstAt: first_at, lastAt: last_at, count, data } = link
  await db
    .insertInto('audit_decisions')
    .values({ chain: LEGACY_CHAIN, seq, first_at, last_at, count, data, hash })
    .execute()
  return { seq, hash }
}
