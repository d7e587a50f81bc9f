import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Action, modelActions } from '#core/action.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { shippedRoles } from '#core/roles.ts'
import type { CallContext, Resource } from '#policy/decision.ts'
import { createEngine } from './engine.ts'
import { loadCedar } from './load-cedar.ts'
import { parsePolicies } from './parse-policies.ts'
import { policiesIn, principalOf } from './policies-under-test.ts'
import type { Policy } from './policy.ts'
import { setNamesMade } from './set-names.ts'
import { shippedPolicies } from './shipped-policies.ts'
import type { Vocabulary } from './vocabulary.ts'

const catalog: readonly Action[] = [
  { id: 'catalog.read', scopes: ['catalog:read'], group: 'services.read' },
  { id: 'catalog.edit', scopes: ['catalog:edit', 'catalog:read'], group: 'services.write' },
]
const vocabulary: Vocabulary = {
  roles: [...shippedRoles, 'editor'],
  actions: [...modelActions.filter(({ group }) => group !== 'models.list'), ...catalog],
  modelGroups: { cheap: ['gpt-*'], all: ['*'] },
  models: ['gpt-5', 'o9'],
  providers: ['openai', 'own'],
  services: ['catalog'],
  issuers: ['company'],
}
const MORNING = Date.parse('2026-03-02T08:30:00Z')

// What follows takes nothing of the engine: one set, every fact sent, no memory.

const KINDS = { api_key: 'ApiKey', user: 'User', service: 'ServiceAccount' }
const entity = (type: string, id: string) => ({ type: `Ostiary::${type}`, id })

function plainly(
  policies: readonly Policy[],
  principal: VerifiedIdentity,
  action: Action,
  resource: Resource,
  call: CallContext,
) {
  const { token, ceilings, roles, project, environment, tags, binding } = principal
  const uid = entity(KINDS[principal.kind], principal.id)
  const object = entity(resource.kind === 'model' ? 'Model' : 'Service', resource.id)
  const groups = ['all', ...(resource.id.startsWith('gpt-') ? ['cheap'] : [])]
  const ofProvider = resource.provider === null ? [] : [entity('Provider', resource.provider)]
  const isModel = resource.kind === 'model'
  const result = loadCedar().isAuthorized({
    principal: uid,
    action: entity('Action', action.id),
    resource: object,
    context: {
      scopes: ceilings.scopes === null ? [] : [...ceilings.scopes],
      isScoped: ceilings.scopes !== null && action.scopes.every(scope => ceilings.scopes?.has(scope)),
      environment,
      credential: token === null ? 'api_key' : 'token',
      ...(binding !== null && { binding: binding.kind }),
      ...(token?.acr != null && { acr: token.acr }),
      ip: { __extn: { fn: 'ip', arg: call.address.replace('::ffff:', '') } },
      time: { __extn: { fn: 'datetime', arg: new Date(call.at).toISOString() } },
      ...(token?.authenticatedAt != null && {
        authenticationAge: Math.floor((call.at - token.authenticatedAt) / 1000),
      }),
      ...(isModel ? { features: [...call.features()] } : { method: call.method ?? '', path: call.path ?? '' }),
    },
    policies: { staticPolicies: Object.fromEntries(policies.map(({ id, text }) => [id, text])) },
    entities: [
      {
        uid,
        attrs: {
          roles: roles.map(id => ({ __entity: entity('Role', id) })),
          project: { __entity: entity('Project', project) },
          environment,
          ...(token !== null && { issuer: { __entity: entity('Issuer', token.issuer) }, subject: token.subject }),
          ...(token?.client != null && { client: token.client }),
        },
        parents: [...roles.map(id => entity('Role', id)), entity('Project', project)],
        ...(principal.kind === 'api_key' && { tags }),
      },
      {
        uid: object,
        attrs: { test: resource.test, ...(ofProvider[0] && { provider: { __entity: ofProvider[0] } }) },
        parents: isModel ? [...ofProvider, ...groups.map(id => entity('ModelGroup', id))] : [],
      },
      ...vocabulary.actions.map(({ id, group }) => ({
        uid: entity('Action', id),
        attrs: {},
        parents: [entity('Action', group)],
      })),
    ],
  })
  assert.equal(result.type, 'success', JSON.stringify(result))
  if (result.type !== 'success') throw new Error()
  const { decision, diagnostics } = result.response
  const failed = diagnostics.errors.length > 0
  const forbids = diagnostics.reason.filter(id => policies.find(policy => policy.id === id)?.effect === 'forbid')
  const allowed = decision === 'allow' && !failed
  return { allowed, policies: (allowed ? diagnostics.reason : forbids).toSorted(), failed }
}

function expected(policies: readonly Policy[], ...asked: [VerifiedIdentity, Action, Resource, CallContext]) {
  const enforced = plainly(
    policies.filter(({ shadow }) => !shadow),
    ...asked,
  )
  const { allowed, policies: ids } = plainly(policies, ...asked)
  return { ...enforced, shadow: allowed === enforced.allowed ? null : { allowed, policies: ids } }
}

const conditions = [
  'true',
  'principal.roles.isEmpty()',
  'principal.roles.contains(Ostiary::Role::"editor")',
  'principal in Ostiary::Role::"editor"',
  'principal in [Ostiary::Project::"proj_a", Ostiary::Role::"viewer"]',
  'principal in principal.roles',
  'principal.project == Ostiary::Project::"proj_a"',
  'principal is Ostiary::User in Ostiary::Role::"editor"',
  'principal is Ostiary::ApiKey',
  'principal == Ostiary::ApiKey::"key_1"',
  'principal has issuer && principal.issuer == Ostiary::Issuer::"company"',
  'principal has client && principal.client like "web*"',
  'principal.client == "web"',
  'principal.hasTag("team") && principal.getTag("team") == "red"',
  'principal.getTag("team") == "red"',
  '{p: principal}.p.environment == "live"',
  '[principal, resource].contains(principal)',
  'resource in principal.roles',
  'action in Ostiary::Action::"models.call"',
  'action in [Ostiary::Action::"services.write", Ostiary::Action::"openai.chat"]',
  'action == Ostiary::Action::"catalog.edit"',
  '{a: action}.a in Ostiary::Action::"services.read"',
  '(if principal.roles.isEmpty() then action else Ostiary::Action::"openai.chat") in Ostiary::Action::"models.call"',
  'Ostiary::Action::"openai.chat" in Ostiary::Action::"models.call"',
  'action is Ostiary::Action in Ostiary::Action::"services.read"',
  'resource.test',
  'resource in Ostiary::ModelGroup::"cheap"',
  'resource in [Ostiary::Provider::"own", Ostiary::ModelGroup::"all"]',
  'resource == Ostiary::Model::"gpt-5"',
  'resource is Ostiary::Service',
  'resource has provider && resource.provider == Ostiary::Provider::"own"',
  '(if resource.test then resource else resource) in Ostiary::ModelGroup::"cheap"',
  'context.isScoped',
  'context.scopes.contains("catalog:read")',
  'context.scopes.containsAny(["chat:create", "catalog:edit"])',
  'context.environment == "test"',
  'context.credential == "token"',
  'context has binding && context.binding == "dpop"',
  'context.binding == "dpop"',
  'context has acr && context.acr == "gold"',
  'context["acr"] == "gold"',
  'context has acr.deep',
  'context.ip.isInRange(ip("10.0.0.0/8"))',
  'context.ip.isIpv6()',
  'context.time.toTime() > duration("8h")',
  'context.time < datetime("2026-03-02T09:00:00Z")',
  'context has authenticationAge && context.authenticationAge < 600',
  'context.authenticationAge < 600',
  '(context.authenticationAge + 1) * 9007199254740991 * 9007199254740991 > 0',
  'context has features && context.features.contains("images")',
  'context has method && context.method == "PUT" && context.path like "/items/*"',
  'context.path like "/items/*"',
  '{c: context}.c.ip.isIpv4()',
  '{c: context}.c has acr',
  '(if principal.roles.isEmpty() then context else {time: datetime("2020-01-01")}).time > datetime("2026-03-02T09:00:00Z")',
  '[context].contains(context)',
  'context == {}',
  '{"context": 1, "Var": 2, ".": 3, "in": 4, "Value": 5}.context == 1',
  '"context.ip" like "context*"',
  'context has ip',
  '2 * 9007199254740991 * 9007199254740991 > 0',
  'ip("10.0.0.300").isIpv4()',
  'principal.nothing == 1',
] as const

const scope = {
  principal: fc.constantFrom(
    'principal',
    'principal in Ostiary::Role::"editor"',
    'principal is Ostiary::User',
    'principal is Ostiary::ApiKey in Ostiary::Project::"proj_a"',
    'principal == Ostiary::ServiceAccount::"company/job"',
  ),
  action: fc.constantFrom(
    'action',
    'action in Ostiary::Action::"models.call"',
    'action in Ostiary::Action::"services.connect"',
    'action in [Ostiary::Action::"services.read", Ostiary::Action::"openai.chat"]',
    'action == Ostiary::Action::"catalog.edit"',
  ),
  resource: fc.constantFrom(
    'resource',
    'resource is Ostiary::Model',
    'resource in Ostiary::ModelGroup::"cheap"',
    'resource == Ostiary::Service::"catalog"',
  ),
}
const condition = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...conditions) },
  fc
    .tuple(fc.constantFrom(...conditions), fc.constantFrom('&&', '||'), fc.constantFrom(...conditions))
    .map(([a, op, b]) => `(${a}) ${op} (${b})`),
)
const policy = fc
  .record({
    ...scope,
    effect: fc.constantFrom('permit', 'permit', 'forbid'),
    shadow: fc.constantFrom('', '', '@shadow '),
    clauses: fc.array(fc.tuple(fc.constantFrom('when', 'unless'), condition), { maxLength: 2 }),
  })
  .map(({ principal, action, resource, effect, shadow, clauses }) => {
    const bodies = clauses.map(([kind, body]) => ` ${kind} { ${body} }`).join('')
    return `${shadow}${effect} (${principal}, ${action}, ${resource})${bodies};`
  })

const principal: fc.Arbitrary<VerifiedIdentity> = fc
  .record({
    kind: fc.constantFrom('api_key', 'user', 'service'),
    roles: fc.constantFrom([], ['editor'], ['viewer', 'editor'], ['admin']),
    project: fc.constantFrom('proj_a', 'proj_b'),
    environment: fc.constantFrom('live', 'test'),
    scopes: fc.constantFrom(null, [], ['catalog:read'], ['catalog:read', 'catalog:edit'], ['chat:create']),
    tags: fc.constantFrom({}, { team: 'red' }, { team: 'blue', x: '"' }),
    binding: fc.constantFrom(null, { kind: 'dpop', thumbprint: 'x' } as const),
    client: fc.constantFrom(null, 'web'),
    acr: fc.constantFrom(null, 'gold', 'silver'),
    age: fc.constantFrom(null, 0, 5, 10_000),
  })
  .map(principalOf)

const resource: fc.Arbitrary<Resource> = fc.constantFrom(
  { kind: 'model', id: 'gpt-5', provider: 'openai', test: false },
  { kind: 'model', id: 'gpt-5', provider: 'own', test: false },
  { kind: 'model', id: 'gpt-5', provider: 'own', test: true },
  { kind: 'model', id: 'o9', provider: 'own', test: true },
  { kind: 'service', id: 'catalog', provider: null, test: false },
)
const call: fc.Arbitrary<CallContext> = fc
  .record({
    address: fc.constantFrom('10.1.2.3', '::ffff:10.1.2.3', '192.0.2.1', '2001:db8::1'),
    at: fc.constantFrom(MORNING, MORNING + 3_600_000, MORNING - 3_600_000),
    method: fc.constantFrom('GET', 'PUT'),
    path: fc.constantFrom('/items/1', '/other'),
    features: fc.constantFrom([], ['images'], ['images', 'tools']),
  })
  .map(({ features, ...rest }) => ({ ...rest, features: () => features }))

test('decides, and remembers, as one set of all policies would that is told everything each time', () => {
  fc.assert(
    fc.property(
      fc.array(policy, { minLength: 1, maxLength: 8 }),
      fc.array(principal, { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(fc.nat(), fc.constantFrom(...vocabulary.actions), resource, call), {
        minLength: 1,
        maxLength: 8,
      }),
      (texts, principals, questions) => {
        const policies = policiesIn(texts.join('\n'))
        using engine = createEngine(policies, vocabulary)
        for (const [index, action, resource, call] of questions) {
          const who = principals[index % principals.length] as VerifiedIdentity
          const { error, ...said } = engine.decide(who, action, resource, call)
          assert.deepEqual({ ...said, failed: error !== null }, expected(policies, who, action, resource, call))
        }
      },
    ),
    { numRuns: 150 },
  )
})

for (const text of conditions) {
  test(`every caller is decided alike with and without memory by: ${text}`, () => {
    const policies = policiesIn(`permit (principal, action, resource) when { ${text} };`)
    using engine = createEngine(policies, vocabulary)
    const differing = fc.sample(fc.tuple(principal, resource, call), { seed: 7, numRuns: 8 })
    for (const action of [vocabulary.actions[0], ...catalog] as Action[]) {
      for (const [who, resource, call] of differing) {
        for (const again of [call, differing[0]?.[2] as CallContext]) {
          const { error, ...said } = engine.decide(who, action, resource, again)
          assert.deepEqual({ ...said, failed: error !== null }, expected(policies, who, action, resource, again))
        }
      }
    }
  })
}

test('policies that are given up leave room for others, also after two hundred reloads', () => {
  const policies = [
    ...shippedPolicies(),
    ...policiesIn('@shadow forbid (principal, action, resource) when { context.ip.isIpv4() };'),
  ]
  const cycle = () => {
    using old = createEngine(policies, vocabulary)
    // The one before serves until its last call is over.
    using anew = createEngine(policies, vocabulary)
    return [old, anew]
  }
  cycle()
  const before = setNamesMade()
  for (let n = 0; n < 200; n++) cycle()
  assert.equal(setNamesMade(), before)
})

test('what reads the address alone is remembered by it, also in shadow, and what reads more is not', () => {
  const [who] = fc.sample(principal, { seed: 7, numRuns: 1 }) as [VerifiedIdentity]
  const [action] = catalog as [Action]
  const catalogItself: Resource = { kind: 'service', id: 'catalog', provider: null, test: false }
  const from = (address: string, at = MORNING): CallContext => ({ address, at, features: () => [] })
  const permit = 'permit (principal, action, resource);'
  const office = 'forbid (principal, action, resource) unless { context.ip.isInRange(ip("10.0.0.0/8")) };'
  const early = 'forbid (principal, action, resource) when { context.time < datetime("2026-01-01") };'
  for (const [texts, isRemembered] of [
    [[permit, office], true],
    [[permit, `@shadow ${office}`], true],
    [[permit, office, early], false],
  ] as const) {
    using engine = createEngine(policiesIn(texts.join('\n')), vocabulary)
    const decide = (context: CallContext) => engine.decide(who, action, catalogItself, context)
    const inside = decide(from('10.0.0.1'))
    assert.equal(decide(from('10.0.0.1', MORNING + 1)) === inside, isRemembered)
    assert.equal(decide(from('192.0.2.1')) === inside, false)
    assert.deepEqual([inside.allowed, decide(from('10.0.0.1')).allowed, inside.shadow], [true, true, null])
    assert.equal((decide(from('192.0.2.1')).shadow ?? decide(from('192.0.2.1'))).allowed, false)
  }
})

test('an action that is none of the configuration is denied', () => {
  using engine = createEngine(
    parsePolicies([{ file: 'a.cedar', text: 'permit (principal, action, resource);' }]).policies,
    vocabulary,
  )
  const [who] = fc.sample(principal, 1) as [VerifiedIdentity]
  const [resource_] = fc.sample(resource, 1) as [Resource]
  const [call_] = fc.sample(call, 1) as [CallContext]
  const decide = (action: Action) => engine.decide(who, action, resource_, call_)
  assert.equal(decide(catalog[0] as Action).allowed, true)
  const { allowed, error } = decide({ ...(catalog[0] as Action), id: 'catalog.delete' })
  assert.equal(allowed, false)
  assert.match(error ?? '', /catalog\.delete/)
})

const nobody = principalOf({
  kind: 'user',
  roles: [],
  project: 'proj_a',
  environment: 'live',
  scopes: null,
  tags: {},
  binding: null,
  client: null,
  acr: null,
  age: null,
})
const [chat] = vocabulary.actions as [Action]
const gpt: Resource = { kind: 'model', id: 'gpt-5', provider: 'openai', test: false }
const now: CallContext = { address: '192.0.2.1', at: MORNING, features: () => [] }

for (const name of [
  'editor"',
  'editor" || true',
  'edıtor',
  'EDITOR',
  ' editor',
  'editor\u0000',
  '\\u{65}ditor',
  '{"__entity":1}',
  '__proto__',
]) {
  test(`${JSON.stringify(name)} is no other role, subject, client or model than it is`, () => {
    using engine = createEngine(
      policiesIn(`
        permit (principal in Ostiary::Role::"editor", action, resource);
        permit (principal == Ostiary::User::"company:editor", action, resource);
        permit (principal, action, resource == Ostiary::Model::"editor");
        permit (principal, action, resource) when { principal has client && principal.client == "editor" };`),
      vocabulary,
    )
    const token = { ...(nobody.token as NonNullable<VerifiedIdentity['token']>), client: name, subject: name }
    const who = { ...nobody, id: `company:${name}`, roles: [name], token }
    const { allowed, policies, error } = engine.decide(who, chat, { ...gpt, id: name }, now)
    assert.deepEqual({ allowed, policies, error }, { allowed: false, policies: [], error: null })
    assert.equal(engine.decide({ ...nobody, roles: [name, 'editor'] }, chat, gpt, now).allowed, true)
  })
}

test('two models that are written alike in the memory of decisions are two', () => {
  const text =
    'permit (principal, action, resource == Ostiary::Model::"a") when { resource in Ostiary::Provider::"own" };'
  using engine = createEngine(policiesIn(text), vocabulary)
  const decide = (id: string, provider: string) => engine.decide(nobody, chat, { ...gpt, id, provider }, now).allowed
  assert.equal(decide('a', 'own'), true)
  assert.equal(decide('a', 'openai'), false)
  for (const [id, provider] of [
    ['\na', 'own'],
    ['a\n', 'own'],
    ['own\nfalse\na', ''],
    ['A', 'own'],
  ] as const) {
    assert.equal(decide(id, provider), false)
  }
})

test('an address that is none denies where a policy asks for it, and only there', () => {
  const text =
    'permit (principal, action, resource); forbid (principal, action == Ostiary::Action::"catalog.edit", resource) when { context.ip.isLoopback() };'
  using engine = createEngine(policiesIn(text), vocabulary)
  const call = { ...now, address: '' }
  assert.equal(engine.decide(nobody, chat, gpt, call).allowed, true)
  const service = { kind: 'service', id: 'catalog', provider: null, test: false } as const
  const { allowed, error } = engine.decide(nobody, catalog[1] as Action, service, call)
  assert.deepEqual([allowed, error === null], [false, false])
})

test('two thousand policies are decided by in time, and the last one counts', () => {
  const text = (n: number) =>
    `@id("p${n}") permit (principal in Ostiary::Project::"proj_${n}", action, resource) when { context.ip.isIpv4() };`
  using engine = createEngine(policiesIn(Array.from({ length: 2000 }, (_, n) => text(n)).join('\n')), vocabulary)
  const decide = (project: string) => engine.decide({ ...nobody, project }, chat, gpt, now)
  assert.deepEqual(decide('proj_1999').policies, ['p1999'])
  assert.equal(decide('proj_2000').allowed, false)
  const began = performance.now()
  for (let n = 0; n < 10; n++) decide('proj_7')
  assert.ok((performance.now() - began) / 10 < 100, 'a decision takes less than 100 ms')
})
