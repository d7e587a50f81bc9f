import type { Action } from '#core/action.ts'
import { type AuthenticationRequirement, describeLogin, loginFault } from '#core/login-strength.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { Problem, type ProblemCode } from '#core/problems.ts'
import { environmentRefusal } from './authorize.ts'
import { createEngine } from './cedar/engine.ts'
import type { Policy } from './cedar/policy.ts'
import { compileGroups, createPolicySet, mayApply } from './cedar/policy-set.ts'
import type { Vocabulary } from './cedar/vocabulary.ts'
import { addressRefusal } from './check-address.ts'
import { modelRefusal } from './check-model.ts'
import { operationRefusal } from './check-operation.ts'
import { findRefusal } from './check-requirements.ts'
import { missingScopes, scopeRefusal } from './check-scope.ts'
import type { CallContext, Decision, Resource } from './decision.ts'
import { type Admission, originRefusal } from './permit.ts'

/** Somebody who asks to do something. */
export interface Question {
  readonly principal: VerifiedIdentity
  readonly action: Action
  /** `sandbox` = it is a model of the sandbox. */
  readonly resource: Resource & { readonly sandbox: boolean }
  readonly context: CallContext
  readonly conditions: Conditions
}

/** What the gateway asks of a caller beside what their credential reaches. */
export interface Conditions {
  /** From where the listener may be called at all; null = from anywhere. */
  readonly allowsAddress: ((address: string) => boolean) | null
  /** What the issuer’s tokens of people must say of their login; null = nothing. */
  readonly login: AuthenticationRequirement | null
  readonly admission: Admission
}

/** What may stop a call before policies are asked. `addresses` are those of the credential and its project. */
export const ceilings = [
  'listener_addresses',
  'login',
  'addresses',
  'scopes',
  'operations',
  'operation_addresses',
  'requirements',
  'models',
  'environment',
] as const

export type Ceiling = (typeof ceilings)[number]

/** Whether a call would pass one of these. */
export interface CeilingVerdict {
  readonly ceiling: Ceiling
  readonly holds: boolean
  /** Code of the problem that a call which it stops is answered. */
  readonly problem: ProblemCode
  /** Why it stops the call, as the caller is told; null = it does not. */
  readonly detail: string | null
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

/** Why somebody may do something or may not. Parses all policies anew, and so takes its time: not for calls. */
export function explain(question: Question, policies: readonly Policy[], vocabulary: Vocabulary): Explanation {
  using engine = createEngine(policies, vocabulary)
  const { principal, action, resource, context } = question
  const decide = (principal: VerifiedIdentity) => engine.decide(principal, action, resource, context)
  const decision = decide(principal)
  const verdicts = judgeCeilings(question)
  const others = vocabulary.roles.filter(role => !principal.roles.includes(role))
  return {
    allowed: decision.allowed && verdicts.every(({ holds }) => holds),
    ceilings: verdicts,
    decision,
    policies: askEach(policies, question, vocabulary),
    roles: decision.allowed
      ? []
      : others.filter(role => decide({ ...principal, roles: [...principal.roles, role] }).allowed),
  }
}

/** Asks each ceiling, in the order in which a call meets it, whatever those before said. */
export function judgeCeilings(question: Question): CeilingVerdict[] {
  const { principal, action, resource, context, conditions } = question
  const { address, at } = context
  const { admission } = conditions
  return [
    judge('listener_addresses', 'policy.address', listenerRefusal(question)),
    judge('login', 'auth.insufficient_authentication', loginRefusal(question)),
    judge('addresses', 'policy.address', addressRefusal(principal, address)),
    {
      ...judge('scopes', 'policy.scope', scopeRefusal(principal, action)),
      missing: missingScopes(principal, action),
    },
    judge('operations', 'policy.operation', operationRefusal(principal, action)),
    judge('operation_addresses', 'policy.address', originRefusal(action, admission, address)),
    judge('requirements', 'policy.requirement', findRefusal(principal, admission.requirements, at)),
    ...(resource.kind === 'model' ? [judge('models', 'policy.model', modelRefusal(principal, resource.id))] : []),
    judge('environment', 'policy.environment', environmentRefusal(principal, resource)),
  ]
}

function judge(ceiling: Ceiling, usual: ProblemCode, refusal: Problem | null): CeilingVerdict {
  if (refusal === null) return { ceiling, holds: true, problem: usual, detail: null, missing: [] }
  return { ceiling, holds: false, problem: refusal.code, detail: refusal.detail ?? refusal.title, missing: [] }
}

function listenerRefusal({ context: { address }, conditions: { allowsAddress } }: Question): Problem | null {
  if (allowsAddress === null || allowsAddress(address)) return null
  return new Problem('policy.address', { detail: `The listener may not be called from ${address}.` })
}

/** Programs do not log in, and a key is no login. */
function loginRefusal({ principal: { kind, token }, context, conditions: { login } }: Question): Problem | null {
  if (login === null || token === null || kind !== 'user') return null
  if (loginFault(login, token, context.at) === null) return null
  const detail = `The issuer ${token.issuer} asks for ${describeLogin(login).join(' and ')}.`
  return new Problem('auth.insufficient_authentication', { detail })
}

/**
 * What each says by itself: of a set of permits alone, or of forbids alone, Cedar names every one that holds and every one that
 * fails, so that two questions tell of all.
 */
function askEach(policies: readonly Policy[], question: Question, vocabulary: Vocabulary): PolicyVerdict[] {
  const { principal, action, resource, context } = question
  const concerned = policies.filter(({ json }) => mayApply(json.action, action))
  const [ofPermits, ofForbids] = (['permit', 'forbid'] as const).map(effect => {
    const own = concerned.filter(policy => policy.effect === effect)
    using set = createPolicySet(own, vocabulary, compileGroups(vocabulary.modelGroups))
    const { permits, forbids, errors } = set.evaluate(principal, action, resource, context)
    const ids = new Set(own.map(({ id }) => id))
    const errorOf = new Map(errors.map(error => [error.slice(0, error.indexOf(': ')), error]))
    // What names no policy is of the question, and so of all.
    const general = errors.find(error => !ids.has(error.slice(0, error.indexOf(': ')))) ?? null
    return { holding: new Set([...permits, ...forbids]), errorOf, general }
  })
  return concerned.map(policy => {
    const found = policy.effect === 'permit' ? ofPermits : ofForbids
    const error = found?.errorOf.get(policy.id) ?? found?.general ?? null
    const holds = found?.holding.has(policy.id) === true
    return { policy, says: error !== null ? 'fails' : !holds ? 'silent' : SAYS[policy.effect], error }
  })
}

const SAYS = { permit: 'permits', forbid: 'forbids' } as const
