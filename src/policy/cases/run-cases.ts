import type { Decide } from '#policy/decision.ts'
import { type Explanation, explain } from '#policy/explain.ts'
import type { Question } from '#policy/question.ts'
import type { PolicyCase } from './policy-case.ts'

/** How one question of a case was answered. */
export interface Verdict {
  readonly of: PolicyCase
  readonly question: Question
  readonly came: Explanation
  /** In words what differs from what was expected; none = nothing. */
  readonly differences: readonly string[]
  readonly durationMs: number
}

/** What became of all cases. */
export interface CaseReport {
  readonly verdicts: readonly Verdict[]
  /** Ids of the policies that determined an answer which the gateway would give: no ceiling refused before. */
  readonly determining: ReadonlySet<string>
}

/** Asks every question of every case. */
export function runCases(cases: readonly PolicyCase[], decide: Decide): CaseReport {
  const verdicts = cases.flatMap(of =>
    of.questions.map(question => {
      const begun = performance.now()
      const came = explain(question, decide)
      return { of, question, came, differences: compare(of, came), durationMs: performance.now() - begun }
    }),
  )
  const decided = verdicts.filter(({ came }) => came.because === null || came.because === 'policy')
  return { verdicts, determining: new Set(decided.flatMap(({ came }) => came.decision.policies)) }
}

function compare({ expected }: PolicyCase, came: Explanation): string[] {
  const differences: string[] = []
  // A policy that cannot be evaluated denies, but no case can have meant that.
  if (came.decision.error !== null) differences.push(`a policy could not be evaluated: ${came.decision.error}`)
  if (expected.allowed !== came.allowed) {
    differences.push(`expected ${expected.allowed ? 'allow' : 'deny'}, came ${describeAnswer(came)}`)
    return differences
  }
  if (expected.because !== null && expected.because !== came.because) {
    differences.push(`expected deny because of ${expected.because}, came ${describeAnswer(came)}`)
  }
  if (expected.by !== null && !isSame(expected.by, determiningOf(came))) {
    const named = expected.by.length === 0 ? 'no policy' : expected.by.join(', ')
    differences.push(`expected to be determined by ${named}, came ${describeAnswer(came)}`)
  }
  return differences
}

/** None where a ceiling refused before the policies were asked. */
function determiningOf({ because, decision }: Explanation): readonly string[] {
  return because === null || because === 'policy' ? decision.policies : []
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every(id => b.includes(id))
}

/** `allow by ostiary.admin`, `deny because of scope: chat:create is missing`, `deny: no policy permits` */
export function describeAnswer({ allowed, because, ceilings, decision }: Explanation): string {
  const named = decision.policies.join(', ')
  if (allowed) return `allow by ${named}`
  if (because === 'policy') {
    if (decision.error !== null) return 'deny: a policy could not be evaluated'
    return named === '' ? 'deny: no policy permits' : `deny by ${named}`
  }
  const missing = ceilings.find(({ ceiling }) => ceiling === because)?.missing ?? null
  return missing === null ? `deny because of ${because}` : `deny because of scope: ${missing.join(', ')} missing`
}
