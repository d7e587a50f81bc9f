import type { Kysely, Selectable } from 'kysely'
import { revocationTarget } from '#core/revocation.ts'
import type { RecordChange } from './changes.ts'
import { recordEvent } from './events.ts'
import type { RevocationLookup, RevocationRecord, RevocationStore } from './revocations-port.ts'
import type { RevocationsTable, Tables } from './tables.ts'

/** The queries on the revocation list, the same for every database, but for that of the hot path. */
export function revocationStore(
  db: Kysely<Tables>,
  recordChange: RecordChange,
): Omit<RevocationStore, keyof RevocationLookup> {
  return {
    insert: (entry, event) =>
      db.transaction().execute(async transaction => {
        await transaction.insertInto('revocations').values(toRow(entry)).execute()
        await recordEvent(transaction, event)
        const subject = revocationTarget(entry.issuer, entry.kind, entry.value)
        await recordChange(transaction, { topic: 'token.revoked', subject }, entry.createdAt)
      }),

    async find(id) {
      const row = await db.selectFrom('revocations').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toRecord(row)
    },

    async list({ limit, after, issuer, kind, value }) {
      let rows = db.selectFrom('revocations').selectAll().orderBy('id', 'desc').limit(limit)
      if (after !== undefined) rows = rows.where('id', '<', after)
      if (issuer !== undefined) rows = rows.where('issuer', '=', issuer)
      if (kind !== undefined) rows = rows.where('kind', '=', kind)
      if (value !== undefined) rows = rows.where('value', '=', value)
      return (await rows.execute()).map(toRecord)
    },

    // No change for the caches: they remember no token that was refused.
    delete: (id, eventOf) =>
      db.transaction().execute(async transaction => {
        const row = await transaction.deleteFrom('revocations').where('id', '=', id).returningAll().executeTakeFirst()
        if (row === undefined) return undefined
        const entry = toRecord(row)
        await recordEvent(transaction, eventOf(entry))
        return entry
      }),

    async prune(before, limit) {
      const ended = db
        .selectFrom('revocations')
        .select('id')
        .where('expires_at', '<', before)
        .orderBy('expires_at')
        .limit(limit)
      const { numDeletedRows } = await db.deleteFrom('revocations').where('id', 'in', ended).executeTakeFirstOrThrow()
      return Number(numDeletedRows)
    },
  }
}

function toRow(entry: RevocationRecord): RevocationsTable {
  return {
    id: entry.id,
    issuer: entry.issuer,
    kind: entry.kind,
    value: entry.value,
    not_before: entry.notBefore,
    reason: entry.reason,
    created_at: entry.createdAt,
    created_by: entry.createdBy,
    expires_at: entry.expiresAt,
  }
}

function toRecord(row: Selectable<RevocationsTable>): RevocationRecord {
  return {
    id: row.id,
    issuer: row.issuer,
    kind: row.kind,
    value: row.value,
    notBefore: row.not_before,
    reason: row.reason,
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
  }
}
