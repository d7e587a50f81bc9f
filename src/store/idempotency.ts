import type { Kysely } from 'kysely'
import type { IdempotencyClaim, IdempotencyStore } from './ports.ts'
import type { Tables } from './tables.ts'

/** The queries on idempotency keys, the same for every database. */
export function idempotencyStore(db: Kysely<Tables>): IdempotencyStore {
  return {
    claim: (claim, now) =>
      db.transaction().execute(async transaction => {
        await transaction.deleteFrom('idempotency_keys').where('expires_at', '<=', now).execute()
        const made = await transaction
          .insertInto('idempotency_keys')
          .values({
            operator: claim.operator,
            operation: claim.operation,
            key_hash: claim.keyHash,
            request_hash: claim.requestHash,
            answer: null,
            expires_at: claim.expiresAt,
          })
          // The key is in the table or it is not: of two claims at once the second waits and finds the first.
          .onConflict(conflict => conflict.columns(['operator', 'operation', 'key_hash']).doNothing())
          .returning('operator')
          .executeTakeFirst()
        if (made !== undefined) return null
        const found = await transaction
          .selectFrom('idempotency_keys')
          .select(['request_hash', 'answer'])
          .where('operator', '=', claim.operator)
          .where('operation', '=', claim.operation)
          .where('key_hash', '=', claim.keyHash)
          .executeTakeFirst()
        // It may have been released in this moment: then it was in flight until now.
        return { requestHash: found?.request_hash ?? claim.requestHash, answer: found?.answer ?? null }
      }),

    async complete(claim, answer) {
      await db
        .updateTable('idempotency_keys')
        .set({ answer })
        .where('operator', '=', claim.operator)
        .where('operation', '=', claim.operation)
        .where('key_hash', '=', claim.keyHash)
        .execute()
    },

    async release(claim: IdempotencyClaim) {
      await db
        .deleteFrom('idempotency_keys')
        .where('operator', '=', claim.operator)
        .where('operation', '=', claim.operation)
        .where('key_hash', '=', claim.keyHash)
        .execute()
    },
  }
}
