import type { Decide } from '#policy/decision.ts'
import type { Question } from '#policy/explain.ts'
import { type Answer, describeAnswer, judge } from './judge.ts'
import type { PolicyCase } from './policy-case.ts'

/** How one question of a case was answered. */
export interface Verdict {
  readonly of: PolicyCase
  readonly question: Question
  readonly came: Answer
  /** In words what differs from what was expected; none = nothing. */
  readonly differences: readonly string[]
  readonly durationMs: number
}

/** What became of all cases. */
export interface CaseReport {
  readonly verdicts: readonly Verdict[]
  /** Ids of the policies that determined an answer. */
  readonly determining: ReadonlySet<string>
}

/** Asks every question of every case. */
export function runCases(cases: readonly PolicyCase[], decide: Decide): CaseReport {
  const verdicts = cases.flatMap(of =>
    of.questions.map(question => {
      const begun = performance.now()
      const came = judge(question, decide)
      return { of, question, came, differences: compare(of, came), durationMs: performance.now() - begun }
    }),
  )
  return { verdicts, determining: new Set(verdicts.flatMap(({ came }) => came.decision?.policies ?? [])) }
}

function compare({ expected }: PolicyCase, came: Answer): string[] {
  const answer = describeAnswer(came)
  // What cannot be evaluated is denied, but no case can have meant that.
  if (came.decision !== null && came.decision.error !== null) return [`came ${answer}`]
  if (expected.allowed !== came.allowed) return [`expected ${expected.allowed ? 'allow' : 'deny'}, came ${answer}`]
  const differences: string[] = []
  if (expected.because !== null && expected.because !== came.because) {
    differences.push(`expected deny because of ${expected.because}, came ${answer}`)
  }
  if (expected.by !== null && !isSame(expected.by, came.decision?.policies ?? [])) {
    const named = expected.by.length === 0 ? 'no policy' : expected.by.join(', ')
    differences.push(`expected to be determined by ${named}, came ${answer}`)
  }
  return differences
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every(id => b.includes(id))
}
