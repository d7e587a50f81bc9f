import type { Kysely, Transaction } from 'kysely'
import { CHANGES_CHAIN, changeHash } from '#core/audit-chain.ts'
import { eventJson } from '#core/event-json.ts'
import type { ChangeEvent, GatewayEvent } from '#core/events.ts'
import { eventPages } from './event-pages.ts'
import type { EventStore, EventWriter } from './ports.ts'
import type { Tables } from './tables.ts'

/** The queries on events that every database shares; how a batch is appended is each database's own. */
export function eventStore(db: Kysely<Tables>): Omit<EventStore, keyof EventWriter> {
  return {
    record: event => db.transaction().execute(transaction => recordEvent(transaction, event)),
    ...eventPages(db),
  }
}

/**
 * Appends what was changed to the chain of changes, in the transaction of the change: both are there, or neither.
 * From here to its end the transaction holds the head of the chain: SQLite's one write transaction, a locked row in PostgreSQL.
 */
export async function recordEvent(transaction: Transaction<Tables>, event: ChangeEvent | GatewayEvent): Promise<void> {
  const head = await transaction
    .updateTable('audit_heads')
    .set(({ eb }) => ({ seq: eb('seq', '+', 1) }))
    .where('chain', '=', CHANGES_CHAIN)
    .returning(['seq', 'hash'])
    .executeTakeFirstOrThrow()
  const link = { id: event.id, at: event.at, type: event.type, data: eventJson(event) }
  const hash = changeHash(head.hash, head.seq, link)
  await transaction
    .insertInto('audit_changes')
    .values({ seq: head.seq, ...link, hash })
    .execute()
  await transaction.updateTable('audit_heads').set({ hash }).where('chain', '=', CHANGES_CHAIN).execute()
}
