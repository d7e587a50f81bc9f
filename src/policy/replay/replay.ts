import type { CallEvent } from '#core/events.ts'
import type { Decide, Decision } from '#policy/decision.ts'
import {
  createCallReader,
  type MissingInput,
  NotRecorded,
  type RecordedCall,
  type ReplayedConfiguration,
} from './recorded-call.ts'

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
  readonly calls: number
  /** ms since the epoch. */
  readonly first: number
  readonly last: number
}

/** What a changed set of policies would have done to recorded calls. */
export interface Replay {
  /** Calls that policies had decided and now decided again. */
  readonly decided: number
  /** Of these, those that would be decided otherwise. */
  readonly changed: number
  /** Most calls first. */
  readonly groups: readonly ChangedGroup[]
  /** Changed calls beyond the groups that are kept apart. */
  readonly ungrouped: number
  /** Calls that ended before policies were asked. */
  readonly undecided: number
  /** Calls that cannot be decided again, by what of them is not on record. */
  readonly missing: ReadonlyMap<MissingInput, number>
}

/** So many groups are kept apart: what is read may be millions of calls of as many callers. */
export const MAX_GROUPS = 10_000

interface ReplayOptions extends ReplayedConfiguration {
  readonly decide: Decide
}

/** Gathers what would change, one call after the other; what it keeps is bounded. */
export function createReplay({ decide, ...configuration }: ReplayOptions) {
  const read = createCallReader(configuration)
  const groups = new Map<string, Mutable<ChangedGroup>>()
  const missing = new Map<MissingInput, number>()
  let [decided, changed, ungrouped, undecided] = [0, 0, 0, 0]

  const gather = ({ at }: CallEvent, { principal, action, resource, was }: RecordedCall, now: Decision): void => {
    const key = JSON.stringify([
      principal.id,
      action.id,
      resource.id,
      was.policies,
      now.allowed,
      now.policies,
      now.error,
    ])
    const group = groups.get(key)
    if (group !== undefined) {
      group.calls++
      group.first = Math.min(group.first, at)
      group.last = Math.max(group.last, at)
    } else if (groups.size >= MAX_GROUPS) ungrouped++
    else {
      groups.set(key, {
        principal: principal.id,
        action: action.id,
        resource: resource.id,
        was: was.allowed ? 'allow' : 'deny',
        becomes: now.allowed ? 'allow' : 'deny',
        policiesWere: was.policies,
        policies: now.policies,
        error: now.error,
        ...{ calls: 1, first: at, last: at },
      })
    }
  }
  return {
    add(event: CallEvent): void {
      try {
        const recorded = read(event)
        if (recorded === null) {
          undecided++
          return
        }
        const { principal, action, resource, context, was } = recorded
        const now = decide(principal, action, resource, context)
        decided++
        if (now.allowed === was.allowed) return
        changed++
        gather(event, recorded, now)
      } catch (error) {
        if (!(error instanceof NotRecorded)) throw error
        missing.set(error.input, (missing.get(error.input) ?? 0) + 1)
      }
    },
    end(): Replay {
      const sorted = [...groups.values()].sort((a, b) => b.calls - a.calls || a.first - b.first)
      return { decided, changed, groups: sorted, ungrouped, undecided, missing }
    },
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
