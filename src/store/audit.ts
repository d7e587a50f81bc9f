import type { Kysely } from 'kysely'
import { CHANGES_CHAIN, type ChainHead } from '#core/audit-chain.ts'
import type { Checkpoint, Heads } from '#core/checkpoint.ts'
import { recordEvent } from './events.ts'
import type { AuditStore } from './ports.ts'
import type { Tables } from './tables.ts'

/** Where the chains stand, what was signed of them, and their pruning; the same on every database. */
export function auditStore(db: Kysely<Tables>): AuditStore {
  return {
    heads: () => readChainHeads(db),

    async newestCheckpoint() {
      const row = await db
        .selectFrom('audit_checkpoints')
        .selectAll()
        .orderBy('seq', 'desc')
        .limit(1)
        .executeTakeFirst()
      return row && toCheckpoint(row)
    },

    async addCheckpoint({ keyId: key_id, ...checkpoint }) {
      await db
        .insertInto('audit_checkpoints')
        .values({ ...checkpoint, key_id })
        .execute()
    },

    prune: (chain, before, limit, record) =>
      db.transaction().execute(async transaction => {
        // One more than may go: the newest row of a chain holds its head.
        const rows = await transaction
          .selectFrom('audit_decisions')
          .select(['seq', 'last_at', 'count', 'hash'])
          .where('chain', '=', chain)
          .orderBy('seq')
          .limit(limit + 1)
          .execute()
        const kept = rows.findIndex(row => row.last_at >= before)
        const old = rows.slice(0, kept === -1 ? rows.length - 1 : kept)
        const last = old.at(-1)
        if (last === undefined) return 0
        await transaction
          .deleteFrom('audit_decisions')
          .where('chain', '=', chain)
          .where('seq', '<=', last.seq)
          .execute()
        const events = old.reduce((sum, { count }) => sum + count, 0)
        await recordEvent(transaction, record({ seq: last.seq, hash: last.hash, rows: old.length, events }))
        return old.length
      }),
  }
}

type Row = Tables['audit_checkpoints']

function toCheckpoint({ seq, at, heads, previous, key_id: keyId, signature }: Row): Checkpoint {
  return { seq, at, heads, previous, keyId, signature }
}

async function readChainHeads(db: Kysely<Tables>): Promise<Heads> {
  const heads: Record<string, ChainHead> = {}
  const changes = await db
    .selectFrom('audit_heads')
    .select(['seq', 'hash'])
    .where('chain', '=', CHANGES_CHAIN)
    .executeTakeFirstOrThrow()
  heads[CHANGES_CHAIN] = changes
  for (let chain = await nextChain(db, ''); chain !== undefined; chain = await nextChain(db, chain)) {
    heads[chain] = await db
      .selectFrom('audit_decisions')
      .select(['seq', 'hash'])
      .where('chain', '=', chain)
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirstOrThrow()
  }
  return heads
}

/** Steps through the index from name to name: `distinct` would read every row. */
async function nextChain(db: Kysely<Tables>, after: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('audit_decisions')
    .select('chain')
    .where('chain', '>', after)
    .orderBy('chain')
    .limit(1)
    .executeTakeFirst()
  return row?.chain
}
