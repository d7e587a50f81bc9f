import type { CaseFile, WrittenCase } from '#config/policy-cases.ts'
import { Problem } from '#core/problems.ts'
import type { PolicyCase } from '#policy/cases/policy-case.ts'
import type { Question } from '#policy/explain.ts'
import { type Asked, compileQuestion, type Refuse, requireKnown } from './compile-question.ts'
import { describeCaller } from './describe-caller.ts'
import type { OpenPolicies } from './open-policies.ts'

/** One file asks at most so much: a matrix that was written by mistake must not run for hours. */
const MAX_QUESTIONS = 10_000

/** The cases of a file with their questions. Throws `policy.cases_invalid` for whatever cannot be. */
export function compileCases({ file, cases, faults }: CaseFile, open: OpenPolicies): PolicyCase[] {
  let count = 0
  const compiled = cases.map((written, index) => {
    const path = ['cases', String(index)]
    const refuse: Refuse = (member, message) => faults.add([...path, ...member.split('.')], message)
    const questions = compileQuestions(written, open, refuse)
    count += questions.length
    requireKnown(
      'policy',
      'by',
      written.by,
      open.policies.map(({ id }) => id),
      refuse,
    )
    return {
      name: written.name,
      where: faults.where([...path, 'name']),
      file,
      questions,
      expected: { allowed: written.expect === 'allow', by: written.by ?? null, because: written.because ?? null },
    }
  })
  if (count > MAX_QUESTIONS) faults.add(['cases'], `ask ${count} questions; at most ${MAX_QUESTIONS} are in one file`)
  faults.throwIfAny('policy.cases_invalid')
  return compiled
}

/** Members of a case, by what of a question they stand for. */
const MEMBERS: Readonly<Record<keyof Asked, string>> = {
  action: 'actions',
  model: 'models',
  ip: 'context.ip',
  at: 'context.time',
  features: 'context.features',
  method: 'context.method',
  path: 'context.path',
}

function compileQuestions(written: WrittenCase, open: OpenPolicies, refuse: Refuse): Question[] {
  const { actions, models = [], context } = written
  const at = Date.parse(context.time)
  const principal = describeCaller(written.principal, open.vocabulary, at, (member, message) =>
    refuse(`principal.${member}`, message),
  )
  const asked = { ip: context.ip, at, features: context.features, method: context.method, path: context.path }
  const said = new Set<string>()
  const refuseOnce: Refuse<keyof Asked> = (member, message) => {
    if (!said.has(member + message)) refuse(MEMBERS[member], message)
    said.add(member + message)
  }
  const named = models.length === 0 ? [undefined] : models
  return actions.flatMap(action =>
    named.flatMap(model => {
      try {
        return compileQuestion(principal, { ...asked, action, model }, open, refuseOnce) ?? []
      } catch (error) {
        if (!(error instanceof Problem)) throw error
        refuseOnce('model', `${JSON.stringify(model)} cannot be called with ${action}: ${error.title.toLowerCase()}`)
        return []
      }
    }),
  )
}
