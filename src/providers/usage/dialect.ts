import type { TokenUsage } from '#core/usage.ts'
import type { ScanWords } from './json-scan.ts'

/** What a provider said of a call's use so far. */
export interface Reported extends Omit<TokenUsage, 'input' | 'output'> {
  /** null = nothing yet. */
  readonly input: number | null
  readonly output: number | null
  /** Both are whole once the reply is: nothing of them is still to come in another report. */
  readonly complete: boolean
}

/** How the replies of one operation say what they used. */
export interface UsageDialect {
  /** What to look for in the events of a stream, and in a plain answer. */
  readonly events: ScanWords
  readonly whole: ScanWords
  /** What ends a stream for certain, with nothing of its use to follow. */
  readonly end: 'done' | 'last' | 'last report'
  /** `reports` in the order of the plan, the last of each; null = there was none. */
  read(reports: readonly unknown[]): Reported
}
