import type { OstiaryEvent } from './events.ts'

/** The project that an event belongs to: that of what was changed, or of who called; null = the gateway as a whole. */
export function projectOf(event: OstiaryEvent): string | null {
  const { project, principal } = event as { project?: string | null; principal?: { project?: string } | null }
  return project ?? principal?.project ?? null
}
