import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Action, modelActions } from '#core/action.ts'
import type { Ceilings, Environment, VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { shippedRoles } from '#core/roles.ts'
import { authorize } from './authorize.ts'
import { createEngine } from './cedar/engine.ts'
import { policiesIn, principalOf } from './cedar/policies-under-test.ts'
import { shippedPolicies } from './cedar/shipped-policies.ts'
import type { Admitted } from './check-address.ts'
import { compileModels } from './check-model.ts'
import { permit } from './permit.ts'

// Every kind of caller × roles × actions × ceilings × targets, against rules written down here, without Cedar.

const services: readonly Action[] = [
  { id: 'catalog.read', scopes: ['catalog:read'], group: 'services.read' },
  { id: 'catalog.edit', scopes: ['catalog:read', 'catalog:edit'], group: 'services.write' },
  { id: 'catalog.connect', scopes: ['catalog:connect'], group: 'services.connect' },
]
const actions = [...modelActions.filter(({ group }) => group === 'models.call'), ...services]
const targets = [
  { model: 'gpt-5', test: false, sandbox: false },
  { model: 'cheap', test: true, sandbox: false },
  { model: 'echo', test: true, sandbox: true },
]
const own = `
@id("editor") permit (principal in Ostiary::Role::"editor", action in Ostiary::Action::"services.write", resource);
@id("banned") forbid (principal in Ostiary::Role::"banned", action, resource);
`
const engine = createEngine([...shippedPolicies(), ...policiesIn(own)], {
  roles: [...shippedRoles, 'editor', 'banned'],
  actions,
  modelGroups: {},
  models: targets.map(({ model }) => model),
  providers: ['up'],
  services: ['catalog'],
  issuers: ['company'],
})

const kinds = ['api_key', 'user', 'service'] as const
const roleSets = [
  ...[[], ['viewer'], ['developer'], ['admin'], ['owner'], ['auditor'], ['editor'], ['banned']],
  ...[
    ['viewer', 'developer'],
    ['developer', 'auditor'],
    ['editor', 'viewer'],
    ['admin', 'banned'],
    ['auditor', 'viewer'],
  ],
]
const scopeSets = [
  null,
  [],
  ['chat:create'],
  ['catalog:read'],
  ['catalog:read', 'catalog:edit', 'chat:create', 'content:generate'],
]
const modelSets = [null, ['gpt-*'], ['cheap', 'echo']]
const operationSets = [null, ['openai.chat', 'catalog.edit']]

interface Case {
  readonly roles: readonly string[]
  readonly environment: Environment
  readonly scopes: readonly string[] | null
  readonly models: readonly string[] | null
  readonly operations: readonly string[] | null
}

function expected(
  { roles, environment, scopes, models, operations }: Case,
  action: Action,
  target: (typeof targets)[0],
) {
  const isModel = action.group === 'models.call'
  for (const scope of action.scopes) if (scopes !== null && !scopes.includes(scope)) return 'policy.scope'
  if (operations !== null && !operations.includes(action.id)) return 'policy.operation'
  if (
    isModel &&
    models !== null &&
    !models.some(model => model === target.model || (model === 'gpt-*' && target.model === 'gpt-5'))
  ) {
    return 'policy.model'
  }
  if (isModel && environment === 'live' && target.model === 'echo') return 'policy.environment'
  if (isModel && environment === 'test' && target.model === 'gpt-5') return 'policy.environment'
  return permitted(roles, action.group, scopes !== null) ? null : 'policy.denied'
}

/** Of a caller whose credential names the scopes, if it is bounded by any. */
function permitted(roles: readonly string[], group: Action['group'], scoped: boolean): boolean {
  if (roles.includes('banned')) return false
  if (roles.includes('auditor')) return group === 'services.read'
  if (roles.length === 0) return group === 'models.call' || scoped
  if (roles.includes('admin') || roles.includes('owner')) return true
  if (group === 'models.call') return roles.includes('developer')
  if (group === 'services.read') return roles.includes('viewer') || roles.includes('developer')
  return group === 'services.write' && roles.includes('editor')
}

function decided(principal: VerifiedIdentity, action: Action, target: (typeof targets)[0]): string | null {
  const isModel = action.group === 'models.call'
  const resource = isModel
    ? ({ kind: 'model', id: target.model, provider: 'up', test: target.test } as const)
    : ({ kind: 'service', id: 'catalog', provider: null, test: target.test } as const)
  const decide = () => engine.decide(principal, action, resource, { address: '192.0.2.1', at: 0, features: () => [] })
  try {
    const caller = permit(
      principal as Admitted,
      action,
      { allowsAddress: null, requirements: [] },
      { source: '192.0.2.1', at: 0 },
    )
    if (isModel) authorize(caller, target, decide)
    else if (!decide().allowed) return 'policy.denied'
    return null
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return error.code
  }
}

for (const roles of roleSets) {
  test(`${roles.join(' and ') || 'no role'}: all kinds of callers, actions, ceilings and targets`, () => {
    const seen = new Set<string | null>()
    for (const kind of kinds)
      for (const environment of ['live', 'test'] as const)
        for (const scopes of scopeSets)
          for (const models of modelSets)
            for (const operations of operationSets) {
              const one = { roles, environment, scopes, models, operations }
              const ceilings: Ceilings = {
                scopes: scopes && new Set(scopes),
                operations: operations && new Set(operations),
                allowsModel: models && compileModels(models),
                allowsAddress: null,
              }
              const facts = {
                kind,
                roles,
                environment,
                scopes,
                project: 'proj_a',
                tags: {},
                binding: null,
                client: null,
                acr: null,
                age: null,
              }
              const principal = { ...principalOf(facts), ceilings }
              for (const action of actions)
                for (const target of targets) {
                  const code = decided(principal, action, target)
                  assert.equal(
                    code,
                    expected(one, action, target),
                    JSON.stringify({ kind, ...one, action: action.id, target }),
                  )
                  seen.add(code)
                }
            }
    assert.ok(seen.size >= 4, [...seen].join())
  })
}
