import { projectOf } from '#core/event-project.ts'
import type { OstiaryEvent } from '#core/events.ts'

/** Which events are meant; a member left out means any. */
export interface EventFilter {
  /** Times in ms since the epoch: `from` ≤ at < `to`. */
  readonly from?: number | undefined
  readonly to?: number | undefined
  readonly type?: string | undefined
  /** Id of the credential that a call was made with, or of the key that was changed. */
  readonly key?: string | undefined
  readonly project?: string | undefined
  readonly outcome?: string | undefined
  /** Of the event itself, or of a call that it counts and keeps the id of. */
  readonly id?: string | undefined
}

export function isMeant(event: OstiaryEvent, { from, to, type, key, project, outcome, id }: EventFilter): boolean {
  if ((from !== undefined && event.at < from) || (to !== undefined && event.at >= to)) return false
  if (id !== undefined && event.id !== id && !('samples' in event && event.samples.includes(id))) return false
  if (type !== undefined && event.type !== type) return false
  if (key !== undefined && !keysOf(event).includes(key)) return false
  if (project !== undefined && projectOf(event) !== project) return false
  return outcome === undefined || ('outcome' in event && event.outcome === outcome)
}

function keysOf(event: OstiaryEvent): readonly (string | null)[] {
  if ('subject' in event) return [event.subject, event.actor]
  return 'credential' in event ? [event.credential] : []
}
