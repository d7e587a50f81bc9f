import type { OstiaryEvent } from '#core/events.ts'
import type { EventsTable } from './tables.ts'

/** An event as a row. */
export function eventRow(event: OstiaryEvent): Omit<EventsTable, 'seq'> {
  return { id: event.id, at: event.at, type: event.type, data: eventJson(event) }
}

/**
 * The event as JSON that every database takes. PostgreSQL's jsonb refuses NUL and lone surrogates, and a caller may
 * put them into the name of a model: one such event must not make its whole batch unrecordable.
 */
function eventJson(event: OstiaryEvent): string {
  const json = JSON.stringify(event)
  // JSON.stringify escapes as \u only control characters and lone surrogates, so that this is rare.
  return json.includes('\\u') ? JSON.stringify(event, storable) : json
}

function storable(_name: string, value: unknown): unknown {
  return typeof value === 'string' ? value.toWellFormed().replaceAll('\0', '\ufffd') : value
}
