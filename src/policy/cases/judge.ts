import { reaches } from './authorize.ts'
import { maySpeakFrom } from './check-address.ts'
import { mayUseModel } from './check-model.ts'
import { mayUseOperation } from './check-operation.ts'
import { missingScopes } from './check-scope.ts'
import type { Decide, Decision } from './decision.ts'
import type { Question } from './question.ts'

/** What can refuse a call, in the order in which the gateway asks: the ceilings of the credential, then the policies. */
export const causes = ['address', 'scope', 'operation', 'model', 'environment', 'policy'] as const

export type Cause = (typeof causes)[number]

/** What a credential itself allows. */
export interface CeilingVerdict {
  readonly ceiling: Exclude<Cause, 'policy'>
  readonly allows: boolean
  /** Of scopes those that are missing; else null. */
  readonly missing: readonly string[] | null
}

/** Why a caller may do something, or may not. */
export interface Explanation {
  readonly allowed: boolean
  /** What refuses first; null = nothing does. */
  readonly because: Cause | null
  readonly ceilings: readonly CeilingVerdict[]
  /** What the policies say, though a ceiling may refuse before they are asked. */
  readonly decision: Decision
}

/** Asks everything that a call is asked, all of it: whoever widens one ceiling wants to know of the next. */
export function explain(question: Question, decide: Decide): Explanation {
  const ceilings = judgeCeilings(question)
  const decision = decide(question.caller, question.action, question.resource, question.context)
  const refusing = ceilings.find(({ allows }) => !allows)
  const because = refusing?.ceiling ?? (decision.allowed ? null : 'policy')
  return { allowed: because === null, because, ceilings, decision }
}

/** The same checks as those of a call: `checkAddress`, `permit`, `authorize`. */
function judgeCeilings({ caller, action, resource, sandbox, context }: Question): CeilingVerdict[] {
  const missing = missingScopes(caller, action)
  const isModel = resource.kind === 'model'
  return [
    { ceiling: 'address', allows: maySpeakFrom(caller, context.address), missing: null },
    { ceiling: 'scope', allows: missing.length === 0, missing },
    { ceiling: 'operation', allows: mayUseOperation(caller, action), missing: null },
    { ceiling: 'model', allows: !isModel || mayUseModel(caller, resource.id), missing: null },
    { ceiling: 'environment', allows: reaches(caller, { test: resource.test, sandbox }), missing: null },
  ]
}

/** The roles with any one of which the policies would allow it; none if they do already. */
export function rolesThatAllow(question: Question, decide: Decide, roles: readonly string[]): string[] {
  const { caller, action, resource, context } = question
  if (decide(caller, action, resource, context).allowed) return []
  return roles.filter(role => {
    if (caller.roles.includes(role)) return false
    return decide({ ...caller, roles: [...caller.roles, role] }, action, resource, context).allowed
  })
}
