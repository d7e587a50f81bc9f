import type { Question } from '#policy/explain.ts'
import type { Cause } from './judge.ts'

/** Questions that must all be answered alike. */
export interface PolicyCase {
  readonly name: string
  /** Where it is written, `file:line:column`. */
  readonly where: string
  readonly file: string
  readonly questions: readonly Question[]
  readonly expected: Expectation
}

export interface Expectation {
  readonly allowed: boolean
  /** The policies that determine it, in any order; null = not asked. */
  readonly by: readonly string[] | null
  /** What refuses first; null = not asked. */
  readonly because: Cause | null
}
