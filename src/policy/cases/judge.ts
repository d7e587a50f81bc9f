import type { Decide, Decision } from '#policy/decision.ts'
import { type Ceiling, judgeCeilings, type Question } from '#policy/explain.ts'

/** What can refuse a call, in the order in which it is asked: the ceilings of the credential, then the policies. */
export const causes = [
  'address',
  'login',
  'scope',
  'operation',
  'requirement',
  'model',
  'environment',
  'policy',
] as const

export type Cause = (typeof causes)[number]

const CAUSES = {
  listener_addresses: 'address',
  login: 'login',
  addresses: 'address',
  scopes: 'scope',
  operations: 'operation',
  operation_addresses: 'address',
  requirements: 'requirement',
  models: 'model',
  environment: 'environment',
} as const satisfies Readonly<Record<Ceiling, Cause>>

/** What a call that asks this would be answered. */
export interface Answer {
  readonly allowed: boolean
  /** What refuses first; null = nothing does. */
  readonly because: Cause | null
  /** Scopes that are missing, if that is what refuses. */
  readonly missing: readonly string[]
  /** null = a ceiling refused before policies were asked. */
  readonly decision: Decision | null
}

/** Asks what a call is asked, and no further than a call comes. */
export function judge(question: Question, decide: Decide): Answer {
  const refusing = judgeCeilings(question).find(({ holds }) => !holds)
  if (refusing !== undefined) {
    return { allowed: false, because: CAUSES[refusing.ceiling], missing: refusing.missing, decision: null }
  }
  const { principal, action, resource, context } = question
  const decision = decide(principal, action, resource, context)
  return { allowed: decision.allowed, because: decision.allowed ? null : 'policy', missing: [], decision }
}

/** `openai.chat on gpt-5` */
export function describeRequest({ action, resource }: Question): string {
  return `${action.id} on ${resource.id}`
}

/** `allow by ostiary.admin`, `deny because of scope: chat:create missing`, `deny: no policy permits` */
export function describeAnswer({ allowed, because, missing, decision }: Answer): string {
  if (decision === null) {
    return `deny because of ${because}${missing.length === 0 ? '' : `: ${missing.join(', ')} missing`}`
  }
  if (decision.error !== null) return `deny: a policy could not be evaluated: ${decision.error}`
  const named = decision.policies.join(', ')
  if (allowed) return `allow by ${named}`
  return named === '' ? 'deny: no policy permits' : `deny by ${named}`
}
