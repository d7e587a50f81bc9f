/** In place of a period: a rate, whose values are arrival times in µs of the wall clock. */
export const RATE_PERIOD = -1

/** The durable side of a bound: a value that only grows within one period, spent from slices that are taken ahead. */
export interface AllowanceStore {
  /**
   * Takes a slice: makes it durable that `slice` more than was taken before may be in use, `ceiling` at most. `epoch`
   * names this run of the gateway. Where there is no row it starts from `initial`. A row of another epoch that was not
   * closed was left by a run that ended without settling and may have used all that it had taken: `used` becomes its
   * high, and `charged` is the difference. Resolves to what stands now.
   */
  take(allowance: {
    /** 64 hexadecimal digits. */
    readonly id: string
    /** Start of the period, ms since the epoch; 0 = none. */
    readonly period: number
    readonly epoch: string
    readonly slice: number
    readonly initial: number
    readonly ceiling: number
  }): Promise<{ readonly used: number; readonly high: number; readonly charged: number }>
  /** Notes what was used; `closed` at a clean stop gives back what was taken and not used. */
  settle(
    rows: readonly {
      readonly id: string
      readonly period: number
      readonly epoch: string
      readonly used: number
      readonly closed: boolean
    }[],
  ): Promise<void>
  /** Removes rows whose period began before; those without a period stay. Resolves to how many. */
  forget(before: number): Promise<number>
}

/** What calls have used since `from`, ms since the epoch: where a budget that is new begins. */
export type FindSpent = (scope: {
  readonly project?: string
  readonly key?: string
  readonly model?: string
  readonly unit: 'usd' | 'tokens'
  readonly from: number
}) => Promise<number>
