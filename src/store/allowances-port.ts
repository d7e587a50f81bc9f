/**
 * The durable side of a bound: a value that only grows within one period, spent from slices that are taken ahead. All
 * amounts are integers from 0 to `Number.MAX_SAFE_INTEGER`.
 */
export interface AllowanceStore {
  /**
   * Takes a slice: makes it durable that what is in use may grow by `slice`, up to `ceiling`. Resolves to what stands now.
   *
   * - No row: starts from `initial`.
   * - Row of this run (`epoch`): `slice` more than what it had taken before.
   * - Row of another run that settled: `slice` more than what was used.
   * - Row of another run that did not settle: that may have used all that it had taken, so that counts as used.
   */
  take(slice: AllowanceSlice): Promise<Allowance>
  /**
   * Notes what runs have used, never less than before; `closed` gives back what was taken and not used, at a clean stop. A
   * row that another run has taken of since stays as it is.
   */
  settle(rows: readonly AllowanceUse[]): Promise<void>
  /**
   * Deletes rows of periods that began before; resolves to how many. Those without a period (0) stay; of rates (-1), whose
   * values are µs of the wall clock, those whose value is of before go.
   */
  forget(before: number): Promise<number>
  /**
   * What the roll-ups hold from the hour of `from` on, at most `Number.MAX_SAFE_INTEGER`: nano US dollars, or tokens of
   * input and output.
   */
  spent(query: SpentQuery): Promise<number>
}

export interface AllowanceSlice {
  /** 64 hexadecimal digits: whose, and of which bound. */
  readonly id: string
  /** When the period began, ms since the epoch; 0 = it has no end. */
  readonly period: number
  /** Names this run of the gateway. */
  readonly epoch: string
  readonly slice: number
  readonly initial: number
  readonly ceiling: number
}

export interface Allowance {
  readonly used: number
  /** May be in use; above `ceiling` only where `used` is. */
  readonly high: number
  /** Of `used`: counted in this moment, for a run that ended without settling. */
  readonly charged: number
}

export interface AllowanceUse {
  readonly id: string
  readonly period: number
  readonly epoch: string
  readonly used: number
  readonly closed: boolean
}

export interface SpentQuery {
  readonly project?: string | undefined
  readonly key?: string | undefined
  readonly model?: string | undefined
  readonly unit: 'usd' | 'tokens'
  /** Ms since the epoch. */
  readonly from: number
}
