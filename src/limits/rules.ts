import type { rateUnits } from '#core/key-bounds.ts'
import type { Period } from './periods.ts'

/** What a rule counts apart. A rule per nothing counts all calls together. One per user or client is not about calls that have none. */
export type Dimension = 'key' | 'user' | 'client' | 'project' | 'ip' | 'model' | 'operation'

interface Rule {
  /** Unique among the rules of the configuration. */
  readonly name: string
  readonly per: readonly Dimension[]
  /** By the name that the caller uses; null = all. */
  readonly models: ((model: string) => boolean) | null
}

/** In any span Δ at most `amount` + ⌊`amount` · Δ / window⌋ units. */
export interface RateRule extends Rule {
  readonly unit: (typeof rateUnits)[number]
  readonly amount: number
  readonly windowSeconds: number
  /** Ids; null = all. */
  readonly operations: ReadonlySet<string> | null
}

/** At most `amount` calls at once. */
export interface ConcurrencyRule extends Rule {
  readonly unit: 'concurrency'
  readonly amount: number
  readonly operations: ReadonlySet<string> | null
}

/** At most `amount` nano US dollars (1e-9 $) or tokens in a calendar period in UTC, or altogether. */
export interface BudgetRule extends Rule {
  readonly unit: 'usd' | 'tokens'
  readonly amount: number
  readonly period: Period
  /** Shares of the amount that are told of when they are reached, such as 0.8. */
  readonly alertAt: readonly number[]
}

/** What is known of a call before its body is read. */
export interface CallFacts {
  /** Id. */
  readonly project: string
  /** Id. */
  readonly key: string
  /** Issuer and subject of a person's token; none = the call is not made with one. */
  readonly user?: string | null
  /** Issuer and client of a token; none = the call is not made with one, or it does not say. */
  readonly client?: string | null
  /** IPv4 address, or the /64 of an IPv6 address. */
  readonly network: string
  readonly operation: string
}
