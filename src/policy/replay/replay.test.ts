import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { modelActions } from '#core/action.ts'
import type { CallEvent } from '#core/events.ts'
import { shippedRoles } from '#core/roles.ts'
import { createEngine } from '#policy/cedar/engine.ts'
import { parsePolicies } from '#policy/cedar/parse-policies.ts'
import { shippedPolicies } from '#policy/cedar/shipped-policies.ts'
import type { Vocabulary } from '#policy/cedar/vocabulary.ts'
import { createReplay, MAX_GROUPS, type Replay } from './replay.ts'

const vocabulary: Vocabulary = {
  roles: [...shippedRoles, 'editor'],
  actions: [
    ...modelActions.filter(({ group }) => group !== 'models.list'),
    { id: 'catalog.write', scopes: ['catalog:write'], group: 'services.write' },
  ],
  modelGroups: { expensive: ['gpt-5'] },
  models: ['gpt-5', 'gpt-5-mini'],
  providers: ['openai'],
  services: ['catalog'],
  issuers: ['company'],
}

const noon = Date.parse('2026-01-31T12:00:00Z')
const called: CallEvent = {
  type: 'call',
  id: 'req_1',
  callerRequestId: null,
  at: noon,
  worker: 0,
  configGeneration: 1,
  source: '10.0.0.1',
  method: 'POST',
  path: '/v1/chat/completions',
  route: 'openai.chat',
  principal: { kind: 'api_key', id: 'key_1', project: 'proj_default', environment: 'live' },
  credential: 'key_1',
  model: 'gpt-5',
  target: { provider: 'openai', model: 'gpt-5', test: false },
  stream: false,
  outcome: 'completed',
  problem: null,
  reason: null,
  status: 200,
  upstreamStatus: 200,
  bytesIn: 1,
  bytesOut: 1,
  durationMs: 1,
  firstByteMs: 1,
  usage: null,
  costNanoUsd: null,
}
const person = (id: string, roles: string[]) =>
  ({ kind: 'user', id, project: 'proj_default', environment: 'live', roles }) as const
const denied = { target: null, outcome: 'refused', problem: 'policy.denied', status: 403, policies: [] } as const

function replay(policies: string, events: Iterable<Partial<CallEvent>>): Replay {
  const parsed = parsePolicies([{ file: 'own.cedar', text: policies }])
  assert.deepEqual(parsed.faults, [])
  const all = [...shippedPolicies(), ...parsed.policies]
  using engine = createEngine(all, vocabulary)
  const collected = createReplay({
    decide: engine.decide,
    vocabulary,
    readsTags: policies.includes('Tag('),
    findModel(_, model) {
      if (!vocabulary.models.includes(model)) throw new Error('there is no such model')
      return { kind: 'model', id: model, provider: 'openai', test: false }
    },
    serviceOf: ({ id }) => ({ kind: 'service', id: id.split('.')[0] as string, provider: null, test: false }),
  })
  for (const event of events) collected.add({ ...called, ...event })
  return collected.end()
}

const forbid = (condition: string) => `@id("own") forbid (principal, action, resource) when { ${condition} };`

describe('a replay', () => {
  test('finds nothing under the policies that decided', () => {
    const { decided, changed, groups, undecided, missing } = replay('', [
      {},
      { principal: person('company:ada', ['developer']), policies: ['ostiary.developer'] },
      { principal: person('company:eve', ['viewer']), ...denied },
      { principal: { ...person('company/job', []), kind: 'service' } },
    ])
    assert.deepEqual([decided, changed, groups, undecided, missing.size], [4, 0, [], 0, 0])
  })

  test('groups what would change, the most calls first', () => {
    const { decided, changed, groups } = replay(
      `@id("cheap.only") forbid (principal, action, resource in Ostiary::ModelGroup::"expensive");
       @id("viewers") permit (principal in Ostiary::Role::"viewer", action in Ostiary::Action::"models.call", resource);`,
      [
        { principal: person('company:eve', ['viewer']), ...denied, model: 'gpt-5-mini' },
        { at: noon + 2000 },
        { at: noon },
        { at: noon + 1000, principal: person('company:ada', ['admin']), policies: ['ostiary.admin'] },
        { model: 'gpt-5-mini', target: { provider: 'openai', model: 'gpt-5-mini', test: false } },
      ],
    )
    assert.deepEqual([decided, changed], [5, 4])
    const rest = { action: 'openai.chat', error: null }
    assert.deepEqual(groups, [
      {
        ...{ ...rest, principal: 'key_1', resource: 'gpt-5', was: 'allow', becomes: 'deny', calls: 2 },
        ...{ policiesWere: ['ostiary.models'], policies: ['cheap.only'], first: noon, last: noon + 2000 },
      },
      {
        ...{ ...rest, principal: 'company:eve', resource: 'gpt-5-mini', was: 'deny', becomes: 'allow', calls: 1 },
        ...{ policiesWere: [], policies: ['viewers'], first: noon, last: noon },
      },
      {
        ...{ ...rest, principal: 'company:ada', resource: 'gpt-5', was: 'allow', becomes: 'deny', calls: 1 },
        ...{ policiesWere: ['ostiary.admin'], policies: ['cheap.only'], first: noon + 1000, last: noon + 1000 },
      },
    ])
  })

  for (const [what, condition, event] of [
    ['the address', 'context.ip.isInRange(ip("10.0.0.0/8"))', {}],
    ['the time', 'context.time < datetime("2026-02-01T00:00:00Z")', {}],
    ['the scopes', 'context.scopes.contains("chat:create")', { authorization: { scopes: ['chat:create'] } }],
    ['the environment', 'context.environment == "live"', {}],
    [
      'the binding',
      'context has binding && context.binding == "dpop"',
      { principal: { ...called.principal, binding: 'dpop' } },
    ],
    [
      'the login',
      'context has acr && context.acr == "mfa"',
      { principal: person('company:ada', []), authorization: { acr: 'mfa' } },
    ],
    [
      'the age of the login',
      'context has authenticationAge && context.authenticationAge == 60',
      { principal: person('company:ada', []), authorization: { authenticatedAt: noon - 60_000 } },
    ],
    [
      'the issuer',
      'principal is Ostiary::User && principal.issuer == Ostiary::Issuer::"company"',
      { principal: person('company:a:b', []) },
    ],
    [
      'the subject',
      'principal is Ostiary::User && principal.subject == "a:b"',
      { principal: person('company:a:b', []) },
    ],
    [
      'the client',
      'principal is Ostiary::ServiceAccount && principal has client && principal.client == "shop"',
      { principal: { ...person('company/a', []), kind: 'service', client: 'shop' } },
    ],
    ['the project', 'principal in Ostiary::Project::"proj_default"', {}],
    ['the provider', 'resource in Ostiary::Provider::"openai"', {}],
    [
      'what the body asks for',
      'context has features && context.features.contains("tools")',
      { authorization: { features: ['tools'] } },
    ],
    [
      'the metadata of the key',
      'principal is Ostiary::ApiKey && principal.hasTag("a") && principal.getTag("a") == "b"',
      { authorization: { tags: { a: 'b' } } },
    ],
  ] as const) {
    test(`knows ${what} from the record`, () => {
      const { changed, groups, missing } = replay(forbid(condition), [event as Partial<CallEvent>])
      assert.deepEqual([changed, groups[0]?.policies, missing.size], [1, ['own'], 0])
    })
  }

  test('knows the method and path of a call to a service', () => {
    const service = { name: 'catalog', operation: 'write', path: '/items/1' }
    const event = {
      service,
      route: null,
      model: null,
      target: null,
      method: 'PUT',
      policies: ['ostiary.services'],
      authorization: { scopes: ['catalog:write'] },
    }
    const put =
      '@id("own") forbid (principal, action == Ostiary::Action::"catalog.write", resource) when { context.method == "PUT" && context.path like "/items/*" };'
    assert.equal(replay(put, [event]).changed, 1)
    assert.equal(replay('', [event]).changed, 0)
    // Events cut paths.
    const cut = { ...event, service: { ...service, path: `/${'x'.repeat(255)}` } }
    assert.deepEqual([...replay(put, [cut]).missing], [['path', 1]])
  })

  test('guesses nothing: what a policy looks at and the record lacks is counted', () => {
    const features = forbid('context has features && context.features.contains("tools")')
    assert.deepEqual([...replay(features, [{}, {}, { authorization: { features: [] } }]).missing], [['features', 2]])
    const tags = forbid('principal is Ostiary::ApiKey && principal.hasTag("a")')
    const { missing, decided } = replay(tags, [
      {},
      { principal: person('company:ada', []) },
      { authorization: { tags: {} } },
    ])
    assert.deepEqual([[...missing], decided], [[['tags', 1]], 2])
    assert.deepEqual([...replay('', [{ route: 'openai.gone' }]).missing], [['action', 1]])
    assert.deepEqual([...replay('', [{ ...denied, model: 'gpt-4' }]).missing], [['model', 1]])
  })

  test('needs on record only what policies on the action look at', () => {
    const text =
      '@id("own") forbid (principal, action == Ostiary::Action::"openai.responses", resource) when { context.features.contains("tools") };'
    const { decided, missing } = replay(text, [{}, { route: 'openai.responses' }])
    assert.deepEqual([decided, [...missing]], [1, [['features', 1]]])
  })

  test('counts apart what no policy was asked about', () => {
    const { decided, undecided } = replay(forbid('true'), [
      { target: null, problem: 'policy.scope', outcome: 'refused' },
      { target: null, problem: 'limits.rate_exceeded', outcome: 'refused' },
      { principal: null, target: null, problem: 'auth.missing_credential', outcome: 'refused' },
      // Refused after the policies had permitted it.
      { target: null, problem: 'budget.exhausted', outcome: 'refused', policies: ['ostiary.admin'] },
    ])
    assert.deepEqual([decided, undecided], [1, 3])
  })

  test('says where a policy could not be evaluated', () => {
    const { groups } = replay(forbid('context.authenticationAge > 60'), [{}])
    assert.match(String(groups[0]?.error), /authenticationAge/)
    assert.equal(groups[0]?.becomes, 'deny')
  })

  test('keeps a bounded number of groups and callers, and counts the others', () => {
    const calls = MAX_GROUPS + 500
    const events = function* () {
      for (let n = 0; n < calls; n++) yield { principal: { ...called.principal, id: `key_${n}` } } as Partial<CallEvent>
      yield { principal: { ...called.principal, id: 'key_7' } } as Partial<CallEvent>
    }
    const { decided, changed, groups, ungrouped } = replay(forbid('true'), events())
    assert.deepEqual([decided, changed, groups.length, ungrouped], [calls + 1, calls + 1, MAX_GROUPS, 500])
    assert.deepEqual([groups[0]?.principal, groups[0]?.calls], ['key_7', 2])
  })
})
