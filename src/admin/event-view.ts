import type { OstiaryEvent } from '#core/events.ts'

/** An event as the admin API shows it: members in snake case, times in ISO 8601; `detail` as it was recorded. */
export function viewEvent(event: OstiaryEvent): Record<string, unknown> {
  return Object.fromEntries(Object.entries(event).map(([name, value]) => [snakeCase(name), viewMember(name, value)]))
}

function viewMember(name: string, value: unknown): unknown {
  if (name === 'at' || name === 'lastAt') return new Date(value as number).toISOString()
  if (typeof value !== 'object' || value === null || Array.isArray(value) || name === 'detail') return value
  return Object.fromEntries(Object.entries(value).map(([inner, each]) => [snakeCase(inner), each]))
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
