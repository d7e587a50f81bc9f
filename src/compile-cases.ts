import type { CaseFile, WrittenCase } from '#config/policy-cases.ts'
import type { Action } from '#core/action.ts'
import { Problem } from '#core/problems.ts'
import type { PolicyCase } from '#policy/cases/policy-case.ts'
import type { CallContext } from '#policy/decision.ts'
import type { Question } from '#policy/explain.ts'
import { describeCaller, type Refuse, requireKnown } from './describe-caller.ts'
import { isModelAction, type OpenPolicies } from './open-policies.ts'

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

function compileQuestions(written: WrittenCase, open: OpenPolicies, refuse: Refuse): Question[] {
  const at = Date.parse(written.context.time)
  const principal = describeCaller(written.principal, open.vocabulary, at, (member, message) =>
    refuse(`principal.${member}`, message),
  )
  const { ip, method, path, features } = written.context
  const context: CallContext = {
    address: ip,
    at,
    ...(method !== undefined && { method }),
    ...(path !== undefined && { path }),
    features: () => features,
  }
  requireKnown(
    'action',
    'actions',
    written.actions,
    open.vocabulary.actions.map(({ id }) => id),
    refuse,
  )
  const actions = open.vocabulary.actions.filter(({ id }) => written.actions.includes(id))
  requireFittingContext(written, actions, refuse)
  return actions.flatMap(action =>
    findResources(action, written.models, open, refuse).map(resource => ({ principal, action, context, resource })),
  )
}

/** What a call never has, no policy can look at: a case that says it would show nothing. */
function requireFittingContext({ context, models }: WrittenCase, actions: readonly Action[], refuse: Refuse): void {
  const [onModels, onServices] = [actions.filter(isModelAction), actions.filter(action => !isModelAction(action))]
  for (const { id } of onServices) {
    if (models !== undefined) refuse('models', `must not be set: ${id} is an action on a service`)
    if (context.features.length > 0) refuse('context.features', `must not be set: ${id} is an action on a service`)
  }
  for (const { id } of onModels) {
    if (models === undefined || models.length === 0) refuse('models', `is missing: ${id} is an action on models`)
    for (const member of ['method', 'path'] as const) {
      if (context[member] !== undefined) refuse(`context.${member}`, `must not be set: ${id} is an action on models`)
    }
  }
}

function findResources(
  action: Action,
  models: readonly string[] | undefined,
  open: OpenPolicies,
  refuse: Refuse,
): Question['resource'][] {
  if (!isModelAction(action)) return [open.serviceOf(action)]
  return (models ?? []).flatMap(model => {
    try {
      return [open.findModel(action, model)]
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      refuse('models', `${JSON.stringify(model)} cannot be called with ${action.id}: ${error.title.toLowerCase()}`)
      return []
    }
  })
}
