import type { Kysely, Selectable, Transaction } from 'kysely'
import { recordEvent } from './events.ts'
import type { OperatorTokenRecord, OperatorTokenStore } from './ports.ts'
import type { OperatorTokensTable, Tables } from './tables.ts'

/** Id of the one row that is the credential of the first start. Its digest changes where it is replaced. */
const BOOTSTRAP = 'bootstrap'

/** The queries on operator tokens, the same for every database. */
export function operatorTokenStore(db: Kysely<Tables>): OperatorTokenStore {
  const findBy = async (from: Kysely<Tables>, column: 'id' | 'digest', value: string) => {
    const row = await from.selectFrom('operator_tokens').selectAll().where(column, '=', value).executeTakeFirst()
    return row && toRecord(row)
  }
  return {
    findByDigest: digest => findBy(db, 'digest', digest),
    find: id => findBy(db, 'id', id),

    async list({ limit, after }) {
      const all = db.selectFrom('operator_tokens').selectAll().where('id', '<>', BOOTSTRAP)
      const newest = all.orderBy('id', 'desc').limit(limit)
      return (await (after === undefined ? newest : newest.where('id', '<', after)).execute()).map(toRecord)
    },

    insert: (token, event, { allow, endsBootstrap }) =>
      db.transaction().execute(async transaction => {
        const creator = await lockCreator(transaction, token.createdBy)
        allow(creator)
        await transaction.insertInto('operator_tokens').values(toRow(token)).execute()
        await recordEvent(transaction, event)
        if (endsBootstrap === null) return false
        const ended = await revokeLive(transaction, BOOTSTRAP, token.createdAt)
        if (ended !== undefined) await recordEvent(transaction, endsBootstrap)
        return ended !== undefined
      }),

    revoke: (id, at, event) =>
      db.transaction().execute(async transaction => {
        const revoked = await revokeLive(transaction, id, at)
        if (revoked === undefined) return findBy(transaction, 'id', id)
        await recordEvent(transaction, event)
        return toRecord(revoked)
      }),

    async touch(id, at) {
      await db.updateTable('operator_tokens').set({ last_used_at: at }).where('id', '=', id).execute()
    },

    replaceBootstrap: (token, event) =>
      db.transaction().execute(async transaction => {
        await writeBootstrap(transaction, token)
        await recordEvent(transaction, event)
      }),

    reset: (token, event, revokedEvent) =>
      db.transaction().execute(async transaction => {
        const revoked = await transaction
          .updateTable('operator_tokens')
          .set({ revoked_at: token.createdAt })
          .where('revoked_at', 'is', null)
          .where('id', '<>', BOOTSTRAP)
          .returning('id')
          .execute()
        for (const { id } of revoked) await recordEvent(transaction, revokedEvent(id))
        await writeBootstrap(transaction, token)
        await recordEvent(transaction, event)
        return revoked.map(({ id }) => id)
      }),
  }
}

/**
 * By an update of nothing, which locks the row in PostgreSQL (in SQLite there is one writer anyway): of two tokens that
 * the same creator makes at once, the second is judged by what the first has left.
 */
async function lockCreator(transaction: Transaction<Tables>, id: string): Promise<OperatorTokenRecord | undefined> {
  const row = await transaction
    .updateTable('operator_tokens')
    .set(expression => ({ last_used_at: expression.ref('last_used_at') }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
  return row && toRecord(row)
}

async function revokeLive(transaction: Transaction<Tables>, id: string, at: number) {
  return transaction
    .updateTable('operator_tokens')
    .set({ revoked_at: at })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .returningAll()
    .executeTakeFirst()
}

async function writeBootstrap(transaction: Transaction<Tables>, token: OperatorTokenRecord): Promise<void> {
  const { id, ...columns } = toRow(token)
  await transaction
    .insertInto('operator_tokens')
    .values({ id, ...columns })
    .onConflict(conflict => conflict.column('id').doUpdateSet(columns))
    .execute()
}

function toRow(token: OperatorTokenRecord): OperatorTokensTable {
  return {
    id: token.id,
    name: token.name,
    digest: token.digest,
    scopes: JSON.stringify(token.scopes),
    projects: token.projects === null ? null : JSON.stringify(token.projects),
    created_at: token.createdAt,
    created_by: token.createdBy,
    expires_at: token.expiresAt,
    revoked_at: token.revokedAt,
    last_used_at: token.lastUsedAt,
  }
}

function toRecord(row: Selectable<OperatorTokensTable>): OperatorTokenRecord {
  return {
    id: row.id,
    name: row.name,
    digest: row.digest,
    scopes: JSON.parse(row.scopes),
    projects: row.projects === null ? null : JSON.parse(row.projects),
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
  }
}
