import { problemTypes } from '#core/problems.ts'
import type { ExplanationView } from '#policy/view-explanation.ts'
import { printable } from './printable.ts'

/** An explanation for people: the answer, then a line for each thing that was asked. */
export function renderExplanation(view: ExplanationView): string {
  const { allowed, caller, action, resource, ceilings, decision, policies } = view
  const { error, shadow, roles_that_allow: roles } = decision
  const spoken = policies.filter(({ says }) => says !== 'silent')
  const isEnded = caller.status !== null && caller.status !== 'active'
  const isStopped = isEnded || ceilings.some(({ allows }) => !allows)
  return `${action} on ${printable(resource.id)}: ${allowed ? 'allowed' : 'denied'}\n${renderRows([
    ['caller', `${caller.kind} ${caller.id} of ${caller.project}, environment ${caller.environment}`],
    ['roles', caller.roles.join(', ') || 'none'],
    ['asked', describeContext(view.context)],
    ...(isEnded ? [['credential', `refuses: the key is ${caller.status}`] as const] : []),
    ...ceilings.map(verdict => [verdict.ceiling.replace('_', ' '), describeCeiling(verdict)] as const),
    ['policies', `${describeDecision(decision)}${isStopped ? ', but the call is refused before they are asked' : ''}`],
    ...(error === null ? [] : [['error', error] as const]),
    ...spoken.map(
      ({ id, file, shadow, says }) => ['', `${id} ${says}${shadow ? ' in shadow' : ''} (${file})`] as const,
    ),
    ...(shadow === null ? [] : [['in shadow', describeDecision({ ...shadow, error: null })] as const]),
    ...(roles.length === 0 ? [] : [['would allow', `each of the roles ${roles.join(', ')}`] as const]),
  ])}`
}

/** What and what of it, in two columns. Nothing of it writes to the terminal. */
export function renderRows(rows: readonly (readonly [what: string, text: string])[]): string {
  const width = Math.max(...rows.map(([what]) => what.length))
  return rows.map(([what, text]) => `  ${what.padEnd(width)}  ${text.replace(/\p{C}/gu, '\ufffd')}\n`).join('')
}

function describeContext({ ip, time, method, path, features }: ExplanationView['context']): string {
  const request = [method, path].filter(part => part !== null).join(' ')
  return [
    `from ${ip} at ${time}`,
    ...(request === '' ? [] : [request]),
    ...(features.length === 0 ? [] : [`with ${features.join(', ')}`]),
  ].join(', ')
}

function describeCeiling({ allows, problem, detail }: ExplanationView['ceilings'][number]): string {
  if (allows) return 'allow'
  return `refuse, ${describeProblem(problem)}: ${detail}`
}

/** `403 policy.scope` */
function describeProblem(code: string): string {
  const { status = null } = Object.hasOwn(problemTypes, code) ? problemTypes[code as keyof typeof problemTypes] : {}
  return status === null ? code : `${status} ${code}`
}

interface Decided {
  readonly allowed: boolean
  readonly policies: readonly string[]
  readonly error: string | null
}

/** `deny, by night.expensive` */
export function describeDecision({ allowed, policies, error }: Decided): string {
  if (error !== null) return 'deny: a policy could not be evaluated'
  if (policies.length === 0) return 'deny: no policy permits it'
  return `${allowed ? 'allow' : 'deny'}, by ${policies.join(', ')}`
}
