import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Action, modelActions } from '#core/action.ts'
import { shippedRoles } from '#core/roles.ts'
import { loadCedar } from './load-cedar.ts'
import { policiesIn } from './policies-under-test.ts'
import { showFault } from './policy.ts'
import { makeSchema } from './schema.ts'
import { shippedPolicies } from './shipped-policies.ts'
import { findEmptyGroups, validatePolicies } from './validate-policies.ts'
import type { Vocabulary } from './vocabulary.ts'

const catalog: readonly Action[] = [
  { id: 'catalog.read', scopes: ['catalog:read'], group: 'services.read' },
  { id: 'catalog.edit', scopes: ['catalog:edit'], group: 'services.write' },
]
const least: Vocabulary = {
  roles: shippedRoles,
  actions: modelActions.filter(({ group }) => group !== 'models.list'),
  modelGroups: {},
  models: ['echo'],
  providers: ['sandbox'],
  services: [],
  issuers: [],
}
const full: Vocabulary = {
  ...least,
  roles: [...shippedRoles, 'editor'],
  actions: [...least.actions, ...catalog],
  modelGroups: { cheap: ['gpt-*'] },
  models: ['gpt-5', 'claude-*'],
  providers: ['openai'],
  services: ['catalog'],
  issuers: ['company'],
}

function faultsIn(text: string, vocabulary = full): string[] {
  return validatePolicies(policiesIn(text), vocabulary).map(showFault)
}

const when = (body: string, action = 'action') => `permit (principal, ${action}, resource) when { ${body} };`
const MODELS = 'action in Ostiary::Action::"models.call"'
const SERVICES = 'action in [Ostiary::Action::"services.read", Ostiary::Action::"services.write"]'

for (const text of [
  'permit (principal in Ostiary::Role::"editor", action, resource);',
  'permit (principal == Ostiary::User::"company:a:b/c", action, resource);',
  'permit (principal == Ostiary::ServiceAccount::"company/job", action, resource);',
  'permit (principal == Ostiary::ApiKey::"key_1", action, resource in Ostiary::Provider::"openai");',
  'permit (principal in Ostiary::Project::"proj_default", action == Ostiary::Action::"catalog.edit", resource == Ostiary::Service::"catalog");',
  'permit (principal, action, resource == Ostiary::Model::"claude-9");',
  'permit (principal is Ostiary::User, action, resource in Ostiary::ModelGroup::"cheap");',
  when('principal has issuer && principal.issuer == Ostiary::Issuer::"company"'),
  when('principal is Ostiary::ApiKey && principal.hasTag("Отдел a") && principal.getTag("Отдел a") == "Б b"'),
  when('context.scopes.containsAny(["catalog:edit", "chat:create"]) && context.isScoped'),
  when(
    'context.credential == "token" && context has acr && context.acr == "gold" && context has binding && context.binding == "dpop"',
  ),
  when('context.ip.isInRange(ip("10.0.0.0/8")) && context.time > datetime("2026-01-01T00:00:00Z")'),
  when('context has authenticationAge && context.authenticationAge < 600'),
  when('context.features.contains("images") || ["tools"].containsAll(context.features)', MODELS),
  when('context.method == "PUT" && context.path like "/items/*"', SERVICES),
  when('resource is Ostiary::Model && resource.provider == Ostiary::Provider::"openai" && resource.test'),
]) {
  test(`has nothing against ${text}`, () => assert.deepEqual(faultsIn(text), []))
}

for (const [text, fault] of [
  [
    'permit (principal in Ostiary::Role::"edıtor", action, resource);',
    /no role "edıtor": there are viewer, .*policies\.roles/,
  ],
  ['permit (principal, action in Ostiary::Action::"models.list", resource);', /no action "models\.list"/],
  ['permit (principal, action == Ostiary::Action::"openai.models", resource);', /no action "openai\.models"/],
  ['permit (principal, action, resource == Ostiary::Model::"gpt-6");', /no model "gpt-6": there are gpt-5, claude-\*/],
  ['permit (principal, action, resource == Ostiary::Model::"gpt-*");', /"gpt-\*" is no pattern here/],
  ['permit (principal, action, resource in Ostiary::ModelGroup::"dear");', /no group of models "dear"/],
  ['permit (principal, action, resource in Ostiary::Provider::"azure");', /no provider "azure": there are openai/],
  ['permit (principal, action, resource == Ostiary::Service::"shop");', /no service "shop": there are catalog/],
  ['permit (principal in Ostiary::Project::"default", action, resource);', /"default" is no id of a project/],
  ['permit (principal == Ostiary::ApiKey::"alice", action, resource);', /"alice" is no id of a key/],
  ['permit (principal == Ostiary::User::"alice", action, resource);', /must be `<issuer>:<subject>`/],
  ['permit (principal == Ostiary::User::"company/job", action, resource);', /must be `<issuer>:<subject>`/],
  ['permit (principal == Ostiary::User::"other:alice", action, resource);', /no issuer "other"/],
  ['permit (principal is Ostiary::Nobody, action, resource);', /unrecognized entity type/],
  [when('principal.roles.contains(Ostiary::Role::"nobody")'), /no role "nobody"/],
  [when('principal in [Ostiary::Role::"admin", Ostiary::Role::"nobody"]'), /no role "nobody"/],
  [when('{a: {b: Ostiary::Role::"nobody"}}.a.b == Ostiary::Role::"admin"'), /no role "nobody"/],
  [when('context.environment == "production"'), /`environment` is never "production": there are live, test/],
  [when('"production" != principal.environment'), /`environment` is never "production"/],
  [when('["dpop", "mtls"].contains(context.binding)'), /`binding` is never "mtls"/],
  [when('context.features.containsAny(["images", "pictures"])', MODELS), /`features` is never "pictures"/],
  [when('context.scopes.contains("chat:creat")'), /`scopes` is never "chat:creat"/],
  [when('false'), /policy is impossible/],
  [when('principal == Ostiary::Project::"proj_a"'), /policy is impossible/],
  [when('context has ipp && context.ipp.isIpv4()'), /policy is impossible/],
  [when('context.acr == "gold"'), /optional attribute `acr`/],
  [when('context.method == "PUT"'), /attribute `method` .* not found/],
  [when('context.ip == "10.0.0.1"'), /./],
  [when('ip("10.0.0.300").isIpv4()'), /./],
  [when('context.authenticationAge < 600'), /optional attribute/],
  [
    'permit (principal, action == Ostiary::Action::"openai.chat", resource == Ostiary::Service::"catalog");',
    /"openai\.chat" is done to models, and the resource of the policy is a service/,
  ],
  [
    'permit (principal, action == Ostiary::Action::"services.read", resource);',
    /"services\.read" is a group of actions: write `action in Ostiary::Action::"services\.read"`/,
  ],
  [
    'permit (principal, action in Ostiary::Action::"models.call", resource is Ostiary::Service);',
    /"models\.call" is done to models, and the resource of the policy is a service/,
  ],
  [
    'permit (principal, action in [Ostiary::Action::"services.read"], resource in Ostiary::ModelGroup::"cheap");',
    /"services\.read" is done to services, and the resource of the policy is a model/,
  ],
  [
    'permit (principal, action in Ostiary::Action::"services.connect", resource);',
    /no action is in the group "services\.connect": no service has `webSocket: true`/,
  ],
  [
    'permit (principal is Ostiary::ApiKey, action, resource) when { principal.issuer == Ostiary::Issuer::"company" };',
    /attribute `issuer`/,
  ],
  ['permit (principal, action, resource) when { principal has issuer && "\u202e" == principal.subject };', /BIDI/],
] as const) {
  test(`refuses ${text}`, () => {
    const faults = faultsIn(text)
    assert.equal(faults.length, 1, faults.join('\n'))
    assert.match(faults[0] as string, fault)
  })
}

test('names file and line of what is wrong within a policy', () => {
  const text = '// ä\n@id("one")\npermit (\n  principal,\n  action,\n  resource\n)\nwhen { context.acr == "ä" };'
  assert.match(faultsIn(text)[0] as string, /^own\.cedar:8: policy "one": /)
})

test('names the line of a name that nothing has', () => {
  const text =
    'permit (\n  principal in Ostiary::Role::"nobody",\n  action,\n  resource\n)\nwhen { context.environment == "x" };'
  assert.deepEqual(
    faultsIn(text).map(fault => /^own\.cedar:(\d+): /.exec(fault)?.[1]),
    ['2', '6'],
  )
})

for (const [what, text] of [
  ['services', 'permit (principal, action in Ostiary::Action::"services.read", resource);'],
  ['issuers', 'permit (principal is Ostiary::User, action, resource);'],
  ['groups of models', 'permit (principal, action, resource in Ostiary::ModelGroup::"cheap");'],
] as const) {
  test(`refuses what is about ${what} where there are none`, () => assert.equal(faultsIn(text, least).length, 1))
}

test('the shipped policies fit the schema, and what they are about need not be there', () => {
  const asOwn = shippedPolicies().map(policy => ({ ...policy, shipped: false }))
  assert.deepEqual(validatePolicies(asOwn, full), [])
  assert.deepEqual(validatePolicies(shippedPolicies(), least), [])
})

for (const [name, vocabulary] of Object.entries({
  least,
  full,
  quoted: { ...full, roles: ['a"b\\', 'ü \u0007'], providers: ['*'] },
})) {
  test(`the schema of the ${name} vocabulary is one`, () => {
    const answer = loadCedar().checkParseSchema(makeSchema(vocabulary))
    assert.equal(answer.type, 'success', JSON.stringify(answer))
  })
}

test('finds groups that hold no model, and patterns in them that fit none', () => {
  const modelGroups = { none: [], some: ['gpt-5', 'gpt-6', 'claude-haiku-*', '*'] }
  assert.deepEqual(findEmptyGroups({ ...full, modelGroups }), [
    { group: 'none', pattern: null },
    { group: 'some', pattern: 'gpt-6' },
  ])
})
