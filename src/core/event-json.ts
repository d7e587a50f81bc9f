import type { OstiaryEvent } from './events.ts'

/**
 * The event as one line of JSON that every database takes: NUL and lone surrogates, which a caller may put into the
 * name of a model, are replaced, so that what is read back is what was hashed.
 */
export function eventJson(event: OstiaryEvent): string {
  const json = JSON.stringify(event)
  // JSON.stringify escapes as \u only control characters and lone surrogates, so that this is rare.
  return json.includes('\\u') ? JSON.stringify(event, storable) : json
}

function storable(_name: string, value: unknown): unknown {
  return typeof value === 'string' ? value.toWellFormed().replaceAll('\0', '\ufffd') : value
}
