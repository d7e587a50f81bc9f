import type { CallEvent } from '#core/events.ts'
import type { Decide } from '#policy/decision.ts'
import { describeRequest } from '#policy/question.ts'
import { type MissingInput, readRecordedCall } from './recorded-call.ts'

/** Calls that would be decided otherwise, alike in who, what and how. */
export interface ChangedGroup {
  readonly principal: string
  readonly action: string
  readonly resource: string
  readonly was: 'allow' | 'deny'
  readonly becomes: 'allow' | 'deny'
  /** What determined it when it was recorded, and what determines it now. */
  readonly policiesWere: readonly string[]
  readonly policies: readonly string[]
  /** Some policy could not be evaluated. */
  readonly error: string | null
  calls: number
  /** ms since the epoch. */
  first: number
  last: number
}

/** What a changed set of policies would have done to recorded calls. */
export interface Replay {
  /** Calls that policies had decided and now decided again. */
  decided: number
  /** Of these, those that would be decided otherwise. */
  changed: number
  /** Most calls first. */
  readonly groups: readonly ChangedGroup[]
  /** Changed calls beyond the groups that are kept apart. */
  ungrouped: number
  /** Calls that ended before policies were asked. */
  undecided: number
  /** Calls that cannot be decided again, by what of them is not on record. */
  readonly missing: ReadonlyMap<MissingInput, number>
}

/** So many groups are kept apart: what is read may be millions of calls of as many callers. */
export const MAX_GROUPS = 10_000

interface ReplayOptions {
  readonly decide: Decide
  /** What of a call the policies look at: of what they do not, nothing needs to be on record. */
  readonly reads: (input: MissingInput) => boolean
}

/** Gathers what would change, one call after the other; what it keeps is bounded. */
export function createReplay({ decide, reads }: ReplayOptions) {
  const groups = new Map<string, ChangedGroup>()
  const missing = new Map<MissingInput, number>()
  let [decided, changed, ungrouped, undecided] = [0, 0, 0, 0]
  return {
    add(event: CallEvent): void {
      const recorded = readRecordedCall(event, reads)
      if (recorded === null) undecided++
      else if (typeof recorded === 'string') missing.set(recorded, (missing.get(recorded) ?? 0) + 1)
      else {
        decided++
        const { question, was } = recorded
        const now = decide(question.caller, question.action, question.resource, question.context)
        if (now.allowed === was.allowed) return
        changed++
        const key = JSON.stringify([question.caller.id, describeRequest(question), was, now.allowed, now.policies])
        const group = groups.get(key)
        if (group !== undefined) {
          group.calls++
          group.first = Math.min(group.first, event.at)
          group.last = Math.max(group.last, event.at)
        } else if (groups.size >= MAX_GROUPS) ungrouped++
        else {
          groups.set(key, {
            principal: question.caller.id,
            action: question.action.id,
            resource: question.resource.id,
            was: was.allowed ? 'allow' : 'deny',
            becomes: now.allowed ? 'allow' : 'deny',
            policiesWere: was.policies,
            policies: now.policies,
            error: now.error,
            calls: 1,
            first: event.at,
            last: event.at,
          })
        }
      }
    },
    end(): Replay {
      const sorted = [...groups.values()].sort((a, b) => b.calls - a.calls || a.first - b.first)
      return { decided, changed, groups: sorted, ungrouped, undecided, missing }
    },
  }
}
