import type { Environment } from '#core/principal.ts'
import type { UsageCount } from '#core/usage-delta.ts'

/** The roll-ups of what calls used, which batches of events are added to. */
export interface UsageStore {
  /** Sums by group, in the order of `by`, ascending. */
  list(query: UsageQuery): Promise<readonly UsageSum[]>
  /** Deletes hours that began before, at most `limit` rows; resolves to how many. */
  forget(before: number, limit: number): Promise<number>
}

export const usageDimensions = ['project', 'key', 'model', 'provider', 'environment'] as const
/** Of the calendar in UTC. */
export const usageSpans = ['hour', 'day', 'month'] as const

export type UsageDimension = (typeof usageDimensions)[number]
export type UsageSpan = (typeof usageSpans)[number]

export interface UsageQuery {
  /** What is told apart, in order; `time` = by `span`. */
  readonly by: readonly (UsageDimension | 'time')[]
  readonly span?: UsageSpan | undefined
  /** Only hours that began then or later, and before `to`; ms since the epoch. */
  readonly from: number
  readonly to?: number | undefined
  /** Only of these projects; null = of all. */
  readonly projects: ReadonlySet<string> | null
  readonly project?: string | undefined
  readonly key?: string | undefined
  readonly model?: string | undefined
  readonly provider?: string | undefined
  readonly environment?: Environment | undefined
  readonly limit: number
  /** The group of the last row of the page before: a value for each of `by`. */
  readonly after?: readonly (string | number)[] | undefined
}

/** The sums of one group. Counts stay at `Number.MAX_SAFE_INTEGER` beyond it; what it cost is exact. */
export interface UsageSum extends Readonly<Record<Exclude<UsageCount, 'costNanoUsd'>, number>> {
  /** A value for each of `by`; of `time` the beginning of the span, ms since the epoch. */
  readonly group: readonly (string | number)[]
  readonly costNanoUsd: bigint
}
