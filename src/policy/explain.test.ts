import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modelActions } from '#core/action.ts'
import { compileAddresses } from '#core/compile-addresses.ts'
import type { Ceilings, VerifiedIdentity } from '#core/principal.ts'
import { shippedRoles } from '#core/roles.ts'
import { parsePolicies } from './cedar/parse-policies.ts'
import { shippedPolicies } from './cedar/shipped-policies.ts'
import type { Vocabulary } from './cedar/vocabulary.ts'
import { compileModels } from './check-model.ts'
import { explain, type Question } from './explain.ts'

const vocabulary: Vocabulary = {
  roles: shippedRoles,
  actions: modelActions.filter(({ group }) => group !== 'models.list'),
  modelGroups: { cheap: ['gpt-*'] },
  models: ['gpt-5'],
  providers: ['openai'],
  services: [],
  issuers: [],
}

const [chat] = vocabulary.actions as [Question['action']]

function ask(roles: readonly string[], ceilings: Partial<Ceilings> = {}): Question {
  const principal: VerifiedIdentity = {
    kind: 'api_key',
    id: 'key_1',
    project: 'proj_default',
    environment: 'live',
    expiresAt: null,
    ceilings: { scopes: null, operations: null, allowsModel: null, allowsAddress: null, ...ceilings },
    limits: null,
    budgets: null,
    roles,
    tags: {},
    binding: null,
    token: null,
  }
  const resource = { kind: 'model', id: 'gpt-5', provider: 'openai', test: false, sandbox: false } as const
  const context = { address: '10.0.0.1', at: 0, features: () => [] }
  const conditions = { allowsAddress: null, login: null, admission: { allowsAddress: null, requirements: [] } }
  return { principal, action: chat, resource, context, conditions }
}

test('tells of each policy that may apply what it says by itself', () => {
  const own = parsePolicies([
    { file: 'own.cedar', text: '@id("no") @shadow forbid(principal, action, resource) when { context.ip.isIpv4() };' },
  ])
  const { allowed, decision, policies } = explain(
    ask(['developer']),
    [...shippedPolicies(), ...own.policies],
    vocabulary,
  )
  assert.equal(allowed, true)
  assert.deepEqual(decision, {
    allowed: true,
    policies: ['ostiary.developer'],
    error: null,
    shadow: { allowed: false, policies: ['no'] },
  })
  assert.deepEqual(
    policies.map(({ policy, says }) => [policy.id, says]),
    [
      ['ostiary.models', 'silent'],
      ['ostiary.developer', 'permits'],
      ['ostiary.admin', 'silent'],
      ['ostiary.owner', 'silent'],
      ['ostiary.auditor-only-reads', 'silent'],
      ['no', 'forbids'],
    ],
  )
})

test('tells which roles would do, where no policy permits', () => {
  const { allowed, roles, ceilings } = explain(ask(['viewer']), shippedPolicies(), vocabulary)
  assert.equal(allowed, false)
  assert.deepEqual(roles, ['developer', 'admin', 'owner'])
  assert.ok(ceilings.every(({ holds }) => holds))
  assert.deepEqual(explain(ask(['auditor']), shippedPolicies(), vocabulary).roles, [])
})

test('tells every ceiling that does not hold, also where the policies permit', () => {
  const { allowed, decision, ceilings } = explain(
    {
      ...ask([], {
        scopes: new Set(['models:read']),
        operations: new Set(['openai.responses']),
        allowsModel: compileModels(['o9']),
        allowsAddress: compileAddresses(['192.0.2.0/24']),
      }),
      resource: { kind: 'model', id: 'gpt-5', provider: 'openai', test: true, sandbox: true },
      conditions: {
        allowsAddress: compileAddresses(['192.0.2.0/24']),
        login: { acrValues: ['gold'], maxAgeSeconds: null },
        admission: {
          allowsAddress: compileAddresses(['192.0.2.0/24']),
          requirements: [
            [
              {
                kinds: new Set(['user'] as const),
                issuers: null,
                roles: null,
                bindings: null,
                acrValues: [],
                maxAgeSeconds: null,
              },
            ],
          ],
        },
      },
    },
    shippedPolicies(),
    vocabulary,
  )
  assert.equal(decision.allowed, true)
  assert.equal(allowed, false)
  assert.deepEqual(ceilings, [
    {
      ceiling: 'listener_addresses',
      problem: 'policy.address',
      holds: false,
      detail: 'The listener may not be called from 10.0.0.1.',
      missing: [],
    },
    // A key is no login.
    { ceiling: 'login', problem: 'auth.insufficient_authentication', holds: true, detail: null, missing: [] },
    {
      ceiling: 'addresses',
      problem: 'policy.address',
      holds: false,
      detail: 'The key key_1 may not be used from 10.0.0.1.',
      missing: [],
    },
    {
      ceiling: 'scopes',
      problem: 'policy.scope',
      holds: false,
      detail: 'The key key_1 lacks the scope chat:create.',
      missing: ['chat:create'],
    },
    {
      ceiling: 'operations',
      problem: 'policy.operation',
      holds: false,
      detail: 'The key key_1 may not use the operation openai.chat.',
      missing: [],
    },
    {
      ceiling: 'operation_addresses',
      problem: 'policy.address',
      holds: false,
      detail: 'The operation openai.chat may not be used from 10.0.0.1.',
      missing: [],
    },
    {
      ceiling: 'requirements',
      problem: 'policy.requirement',
      holds: false,
      detail: 'The key key_1 is not enough for this operation, which asks for a token of a person.',
      missing: [],
    },
    {
      ceiling: 'models',
      problem: 'policy.model',
      holds: false,
      detail: 'The key key_1 may not use the model gpt-5.',
      missing: [],
    },
    {
      ceiling: 'environment',
      problem: 'policy.environment',
      holds: false,
      detail: 'A live key cannot use the model gpt-5.',
      missing: [],
    },
  ])
})

test('tells why a policy fails', () => {
  const own = parsePolicies([
    { file: 'own.cedar', text: '@id("bad") forbid(principal, action, resource) when { context.acr == "gold" };' },
  ])
  const { allowed, decision, policies } = explain(ask([]), [...shippedPolicies(), ...own.policies], vocabulary)
  assert.equal(allowed, false)
  assert.match(decision.error ?? '', /acr/)
  const bad = policies.find(({ policy }) => policy.id === 'bad')
  assert.equal(bad?.says, 'fails')
  assert.match(bad?.error ?? '', /acr/)
})
