import type { Action } from '#core/action.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { reaches } from './authorize.ts'
import { createEngine } from './cedar/engine.ts'
import type { Policy } from './cedar/policy.ts'
import { compileGroups, createPolicySet } from './cedar/policy-set.ts'
import type { Vocabulary } from './cedar/vocabulary.ts'
import { mayUseModel } from './check-model.ts'
import { missingScopes } from './check-scope.ts'
import type { CallContext, Decision, Resource } from './decision.ts'

/** Somebody who asks to do something. */
export interface Question {
  readonly principal: VerifiedIdentity
  readonly action: Action
  /** `sandbox` = it is a model of the sandbox. */
  readonly resource: Resource & { readonly sandbox: boolean }
  readonly context: CallContext
}

/** What bounds a credential, in the order in which a call meets it. */
export interface CeilingVerdict {
  readonly ceiling: 'addresses' | 'scopes' | 'operations' | 'models' | 'environment'
  readonly holds: boolean
  /** Code of the problem that a call which it stops is answered. */
  readonly problem: string
  /** Of scopes those that are missing. */
  readonly missing: readonly string[]
}

/** What one policy says by itself. */
export interface PolicyVerdict {
  readonly policy: Policy
  /** `silent` = its scope or its conditions do not hold, `fails` = it cannot be evaluated, and so the call is denied. */
  readonly says: 'permits' | 'forbids' | 'silent' | 'fails'
  readonly error: string | null
}

export interface Explanation {
  /** Every ceiling holds, and the policies permit it. */
  readonly allowed: boolean
  readonly ceilings: readonly CeilingVerdict[]
  readonly decision: Decision
  /** Of each policy, shadow policies too, that may apply to the action. */
  readonly policies: readonly PolicyVerdict[]
  /** What would have the policies permit it: one of these roles beside those that the principal has. */
  readonly roles: readonly string[]
}

/** Why somebody may do something or may not. Asks each policy by itself, and so takes its time: not for calls. */
export function explain(question: Question, policies: readonly Policy[], vocabulary: Vocabulary): Explanation {
  using engine = createEngine(policies, vocabulary)
  const { principal, action, resource, context } = question
  const decide = (principal: VerifiedIdentity) => engine.decide(principal, action, resource, context)
  const decision = decide(principal)
  const ceilings = judgeCeilings(question)
  const others = vocabulary.roles.filter(role => !principal.roles.includes(role))
  return {
    allowed: decision.allowed && ceilings.every(({ holds }) => holds),
    ceilings,
    decision,
    policies: policies.flatMap(policy => askAlone(policy, question, vocabulary)),
    roles: decision.allowed
      ? []
      : others.filter(role => decide({ ...principal, roles: [...principal.roles, role] }).allowed),
  }
}

function judgeCeilings({ principal, action, resource, context }: Question): CeilingVerdict[] {
  const { allowsAddress, operations } = principal.ceilings
  const missing = missingScopes(principal, action)
  const judge = (ceiling: CeilingVerdict['ceiling'], problem: string, holds: boolean) => ({
    ceiling,
    problem,
    holds,
    missing: [],
  })
  const ofModels = [
    judge('models', 'policy.model', mayUseModel(principal, resource.id)),
    judge('environment', 'policy.environment', reaches(principal, resource)),
  ]
  return [
    judge('addresses', 'policy.address', allowsAddress === null || allowsAddress(context.address)),
    { ceiling: 'scopes', problem: 'policy.scope', holds: missing.length === 0, missing },
    judge('operations', 'policy.operation', operations === null || operations.has(action.id)),
    ...(resource.kind === 'model' ? ofModels : []),
  ]
}

function askAlone(policy: Policy, question: Question, vocabulary: Vocabulary): PolicyVerdict[] {
  const { principal, action, resource, context } = question
  using set = createPolicySet([policy], vocabulary, compileGroups(vocabulary.modelGroups))
  if (!set.concerns(action)) return []
  const { permits, forbids, errors } = set.evaluate(principal, action, resource, context)
  const [error = null] = errors
  const says = error !== null ? 'fails' : permits.length > 0 ? 'permits' : forbids.length > 0 ? 'forbids' : 'silent'
  return [{ policy, says, error }]
}
