/** Units in which the pace of a key can be bounded. */
export const rateUnits = ['requests', 'tokens', 'input_tokens', 'output_tokens'] as const
export const budgetUnits = ['usd', 'tokens'] as const
export const budgetPeriods = ['day', 'week', 'month', 'total'] as const

/** At most `amount` units in any span of `windowSeconds`; or at most `amount` calls at once. */
export type KeyLimit =
  | { readonly unit: (typeof rateUnits)[number]; readonly amount: number; readonly windowSeconds: number }
  | { readonly unit: 'concurrency'; readonly amount: number }

/** At most `amount` (US dollars to the millionth, or tokens) in a calendar period in UTC, or altogether. */
export interface KeyBudget {
  readonly unit: (typeof budgetUnits)[number]
  readonly amount: number
  readonly period: (typeof budgetPeriods)[number]
}
