import type { Action } from '#core/action.ts'
import type { Principal } from '#core/principal.ts'
import type { CallContext, Decide, Decision, PolicySource, Resource } from '#policy/decision.ts'
import { loadCedar } from './load-cedar.ts'
import type { Vocabulary } from './vocabulary.ts'

const KINDS = { api_key: 'ApiKey', user: 'User', service: 'ServiceAccount' } as const

/** Policies of one generation, ready to decide. */
export function createDecide(sources: readonly PolicySource[], { modelGroups }: Vocabulary, name: string): Decide {
  const cedar = loadCedar()
  const answer = cedar.preparsePolicySet(name, { staticPolicies: sources.map(({ text }) => text).join('\n') })
  if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('; '))
  return (principal, action, resource, context) => {
    const result = cedar.statefulIsAuthorized({
      principal: { type: `Ostiary::${KINDS[principal.kind]}`, id: principal.id },
      action: { type: 'Ostiary::Action', id: action.id },
      resource: { type: resource.kind === 'model' ? 'Ostiary::Model' : 'Ostiary::Service', id: resource.id },
      context: contextOf(principal, action, context),
      preparsedPolicySetId: name,
      validateRequest: false,
      entities: entitiesOf(principal, action, resource, modelGroups),
    })
    if (result.type === 'failure') return refused(result.errors.map(({ message }) => message).join('; '))
    const { decision, diagnostics } = result.response
    const [error] = diagnostics.errors
    if (error !== undefined) return refused(error.error.message)
    return { allowed: decision === 'allow', policies: diagnostics.reason, error: null, shadow: null }
  }
}

function refused(error: string): Decision {
  return { allowed: false, policies: [], error, shadow: null }
}

function contextOf(principal: Principal, action: Action, { address, at }: CallContext) {
  const { scopes } = principal.ceilings
  return {
    scopes: scopes === null ? [] : [...scopes],
    isScoped: scopes !== null && action.scopes.every(scope => scopes.has(scope)),
    ip: { __extn: { fn: 'ip', arg: address } },
    time: { __extn: { fn: 'datetime', arg: new Date(at).toISOString() } },
  }
}

function entitiesOf(principal: Principal, action: Action, resource: Resource, _groups: Vocabulary['modelGroups']) {
  const roles = principal.roles.map(id => ({ type: 'Ostiary::Role', id }))
  return [
    {
      uid: { type: `Ostiary::${KINDS[principal.kind]}`, id: principal.id },
      attrs: { roles: roles.map(__entity => ({ __entity })), environment: principal.environment },
      parents: [...roles, { type: 'Ostiary::Project', id: principal.project }],
    },
    {
      uid: { type: 'Ostiary::Action', id: action.id },
      attrs: {},
      parents: [{ type: 'Ostiary::Action', id: action.group }],
    },
    {
      uid: { type: resource.kind === 'model' ? 'Ostiary::Model' : 'Ostiary::Service', id: resource.id },
      attrs: { test: resource.test },
      parents: [],
    },
  ]
}
