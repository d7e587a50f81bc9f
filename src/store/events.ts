import { type Kysely, sql, type Transaction } from 'kysely'
import type { ChangeEvent, OstiaryEvent } from '#core/events.ts'
import { eventRow } from './event-row.ts'
import type { EventStore } from './ports.ts'
import type { Tables } from './tables.ts'

/** Nearly every event is a call, so that the index by type leaves them out (migration 0001). */
const COMMON_TYPE = 'call'

/** The queries on events that every database shares; how a batch is appended is each database's own. */
export function listEvents(db: Kysely<Tables>): EventStore['list'] {
  return async ({ limit, type }) => {
    let page = db.selectFrom('events').select('data').orderBy('seq', 'desc').limit(limit)
    if (type !== undefined) page = page.where('type', '=', type as OstiaryEvent['type'])
    // Said in the index's own words, or else the planner would not know that it may use it.
    if (type !== undefined && type !== COMMON_TYPE) page = page.where('type', '<>', sql.lit(COMMON_TYPE))
    return (await page.execute()).map(row => JSON.parse(row.data) as OstiaryEvent)
  }
}

/** Writes what was changed in the transaction of the change: both are there, or neither. */
export async function recordEvent(transaction: Transaction<Tables>, event: ChangeEvent): Promise<void> {
  await transaction.insertInto('events').values(eventRow(event)).execute()
}
