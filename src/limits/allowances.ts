import type { AllowanceStore as StoredAllowances } from '#store/allowances-port.ts'

/** In place of a period: a rate, whose values are arrival times in µs of the wall clock. */
export const RATE_PERIOD = -1

/** What limits ask of the durable side of a bound. */
export type AllowanceStore = Omit<StoredAllowances, 'spent'>

/** Where a budget that is new begins. */
export type FindSpent = StoredAllowances['spent']
