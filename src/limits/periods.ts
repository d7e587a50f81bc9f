import type { budgetPeriods } from '#core/key-bounds.ts'

const DAY_MS = 86_400_000
/** 1970-01-01 was a Thursday: the first Monday before it. */
const MONDAY_MS = -3 * DAY_MS

export type Period = (typeof budgetPeriods)[number]

/** Start and end of a calendar period, ms since the epoch; 0 = none. */
export interface PeriodSpan {
  readonly start: number
  readonly end: number
}

/** The period of a time, in UTC. Weeks begin on Monday (ISO 8601). */
export function periodAt(period: Period, at: number): PeriodSpan {
  switch (period) {
    case 'day': {
      const start = Math.floor(at / DAY_MS) * DAY_MS
      return { start, end: start + DAY_MS }
    }
    case 'week': {
      const start = Math.floor((at - MONDAY_MS) / (7 * DAY_MS)) * 7 * DAY_MS + MONDAY_MS
      return { start, end: start + 7 * DAY_MS }
    }
    case 'month': {
      const date = new Date(at)
      const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
      return { start: Date.UTC(year, month), end: Date.UTC(year, month + 1) }
    }
    case 'total':
      return { start: 0, end: 0 }
  }
}
