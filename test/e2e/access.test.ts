import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import { type Gateway, startGateway, until } from '../support/gateway.ts'
import { activeClaims, INTROSPECTION_ENV, introspectionYaml, startEndpoint } from '../support/introspection.ts'
import { sendJson } from '../support/provider.ts'
import { rawCall } from '../support/raw-call.ts'
import { startTokenIssuer } from '../support/token-issuer.ts'

const FRIEND = '127.0.0.1'
const STRANGER = '127.0.0.9'
const CHAT = JSON.stringify({ model: 'sandbox', messages: [{ role: 'user', content: 'Hello' }] })

const chat = (gateway: Gateway, from: string, key?: string) =>
  rawCall({ url: gateway.url, from, method: 'POST', path: '/v1/chat/completions', body: CHAT, ...(key && { key }) })

async function reload(gateway: Gateway, yaml: string): Promise<void> {
  await writeFile(gateway.configFile, yaml)
  await gateway.ostiary.reload('test')
}

test('an address that is denied gets the same answer whatever it asks and whoever it is', async () => {
  await using gateway = await startGateway({
    yaml: `access: { allow: [127.0.0.0/8], deny: [${STRANGER}] }
keys: { leakReports: { keysUrl: "http://127.0.0.1:1/keys" } }
issuers: { a: { issuer: "https://id.example.com", audience: [x] } }
`,
  })
  const { url, testKey } = gateway
  const asked = [
    { key: testKey },
    { key: `${testKey}0` },
    {},
    { path: '/nowhere' },
    { path: '/v1/../x' },
    { path: '/.well-known/oauth-protected-resource' },
    { path: '/.well-known/jwks.json' },
    { method: 'POST', path: '/leaked-keys', body: '[]' },
    { method: 'DELETE', path: '/ostiary/key', key: testKey },
  ]
  const answers = new Set<string>()
  for (const call of asked) {
    const reply = await rawCall({ url, from: STRANGER, ...call })
    assert.equal(reply.status, 403, `${call.path}: ${reply.text}`)
    answers.add(reply.text.replace(reply.id, 'ID'))
  }
  assert.equal(answers.size, 1, [...answers].join('\n'))
  assert.match([...answers][0] ?? '', /policy\.address/)
  assert.equal((await rawCall({ url, from: FRIEND, key: testKey })).status, 200)
  assert.equal((await rawCall({ url, from: FRIEND, path: '/.well-known/oauth-protected-resource' })).status, 200)
  const events = await gateway.refusals(asked.length)
  const denied = events.filter(({ problem, reason }) => problem === 'policy.address' && reason === 'access')
  assert.equal(
    denied.reduce((sum, { count }) => sum + count, 0),
    asked.length,
  )
  assert.ok(denied.every(({ source }) => source === STRANGER))
})

test('an operation may be kept to addresses, beside all others', async () => {
  await using gateway = await startGateway({
    yaml: `access: { operations: { openai.chat: { allow: [${FRIEND}] }, openai.models: { deny: [${STRANGER}] } } }\n`,
  })
  const { url, testKey } = gateway
  const models = (from: string) => rawCall({ url, from, key: testKey, path: '/v1/models' })
  assert.deepEqual([(await chat(gateway, FRIEND, testKey)).status, (await models(FRIEND)).status], [200, 200])
  assert.deepEqual([(await chat(gateway, STRANGER, testKey)).status, (await models(STRANGER)).status], [403, 403])
  // Who has no credential learns nothing of it, and nothing else is touched.
  assert.equal((await chat(gateway, STRANGER)).status, 401)
  assert.equal((await rawCall({ url, from: STRANGER, key: testKey })).status, 200)
  const events = await gateway.events(5)
  const denied = events.filter(({ problem, reason }) => problem === 'policy.address' && reason === 'access_operation')
  assert.deepEqual(denied.map(({ route }) => route).sort(), ['openai.chat', 'openai.models'])
})

test('lists are in effect with the reload that brings them, on every worker, and a bad set changes nothing', async () => {
  await using gateway = await startGateway({ workers: 2 })
  const statuses = async () =>
    new Set(
      await Promise.all(
        Array.from({ length: 20 }, async () => (await chat(gateway, STRANGER, gateway.testKey)).status),
      ),
    )
  assert.deepEqual(await statuses(), new Set([200]))
  await reload(gateway, `access: { deny: [${STRANGER}] }\n`)
  assert.deepEqual(await statuses(), new Set([403]))
  await assert.rejects(reload(gateway, 'access: { allow: [] }\n'), { code: 'config.invalid' })
  assert.deepEqual(await statuses(), new Set([403]))
  await reload(gateway, '{}\n')
  assert.deepEqual(await statuses(), new Set([200]))
})

test('a denied address is held back like any that is refused often, and costs others nothing', async () => {
  await using gateway = await startGateway({
    yaml: `access: { deny: [${STRANGER}] }\n`,
    env: { OSTIARY_OVERLOAD_MAX_FAILURES_PER_SECOND: '10' },
  })
  assert.equal((await chat(gateway, FRIEND, gateway.testKey)).status, 200)
  const began = performance.now()
  await Promise.all(Array.from({ length: 30 }, () => chat(gateway, STRANGER, gateway.testKey)))
  assert.ok(performance.now() - began >= 900, 'answers leave late')
  const before = performance.now()
  assert.equal((await chat(gateway, FRIEND, gateway.testKey)).status, 200)
  assert.ok(performance.now() - before < 900)
})

test('the addresses of a project hold for its keys, on every worker within the bound, beside the keys’ own', async () => {
  await using gateway = await startGateway({ workers: 2 })
  const { keys, projects } = gateway.ostiary
  const by = internalActor('test')
  const shop = await projects.create({ name: 'shop', cidrs: ['127.0.0.0/24'], deniedCidrs: ['127.0.0.8'] }, by)
  const mint = async (settings: object) =>
    (await keys.mint({ name: 'k', environment: 'test', project: 'shop', ...settings }, by)).secret.reveal()
  const [open, narrow] = [await mint({}), await mint({ cidrs: ['127.0.0.0/8'], deniedCidrs: ['127.0.0.7'] })]
  const status = async (from: string, key: string) => (await chat(gateway, from, key)).status
  const table = async (key: string) =>
    Promise.all(['127.0.0.1', '127.0.0.7', '127.0.0.8', '127.0.1.1'].map(from => status(from, key)))
  assert.deepEqual(await table(open), [200, 200, 403, 403])
  assert.deepEqual(await table(narrow), [200, 403, 403, 403])
  // A key that could never be used is not made, nor made of one that could.
  for (const cidrs of [['10.0.0.0/8'], ['127.0.0.8']]) {
    await assert.rejects(mint({ cidrs }), { code: 'admin.invalid_input', detail: /can never apply.*its project/ })
  }
  const { record } = await keys.mint({ name: 'other', environment: 'test', project: 'shop' }, by)
  const update = keys.update(record.id, { cidrs: ['10.0.0.0/8'] }, by)
  await assert.rejects(update, { code: 'admin.invalid_input', detail: /its project/ })

  await projects.update(shop.id, { cidrs: null, deniedCidrs: ['127.0.0.1'] }, by, () => {})
  const began = performance.now()
  await until('the change on both workers', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => table(open)))
    return all.every(row => row.join() === '403,200,200,200')
  })
  assert.ok(performance.now() - began < 5000)
  assert.deepEqual(await table(narrow), [403, 403, 200, 200])
  const [event] = await gateway.ostiary.store.events.list({ limit: 1, type: 'project.updated' })
  assert.deepEqual((event as { detail?: unknown })?.detail, { cidrs: null, denied_cidrs: ['127.0.0.1'] })
})

test('roles and metadata of a key are what policies read of its caller', async () => {
  await using gateway = await startGateway()
  const idle = 'policies.roles: no policy, requirement or service is about the role "buyer": who has it may do nothing'
  const yaml = 'policies: { roles: [buyer] }\n'
  await assert.rejects(reload(gateway, yaml), { code: 'config.invalid', detail: `${gateway.configFile}:1:13: ${idle}` })
  await mkdir(join(gateway.folder, 'policies'))
  const policies = `@id("red") forbid (principal is Ostiary::ApiKey, action, resource)
    when { principal.hasTag("team") && principal.getTag("team") == "red" };
    @shadow permit (principal in Ostiary::Role::"buyer", action, resource);`
  await writeFile(join(gateway.folder, 'policies', 'red.cedar'), policies)
  await reload(gateway, yaml)
  const { keys } = gateway.ostiary
  const by = internalActor('test')
  const mint = (settings: object) => keys.mint({ name: 'k', environment: 'test', ...settings }, by)
  await assert.rejects(mint({ roles: ['boss'] }), {
    code: 'admin.invalid_input',
    detail: /"boss" is no role; there are .*buyer/,
  })
  const statusOf = async (settings: object) => {
    const { secret } = await mint(settings)
    return (await chat(gateway, FRIEND, secret.reveal())).status
  }
  assert.deepEqual([await statusOf({}), await statusOf({ roles: ['developer'] })], [200, 200])
  assert.equal(await statusOf({ roles: ['buyer'] }), 403, 'nothing permits anything to them')
  const [denied] = await gateway.events(3)
  assert.deepEqual(denied?.principal?.roles, ['buyer'])
  const { record, secret } = await mint({ metadata: { team: 'blue' } })
  assert.equal((await chat(gateway, FRIEND, secret.reveal())).status, 200)
  assert.equal(await statusOf({ metadata: { team: 'red' } }), 403, 'its metadata forbids it')
  await keys.update(record.id, { roles: ['buyer'] }, by)
  await until('the role', async () => (await chat(gateway, FRIEND, secret.reveal())).status === 403)
  await keys.update(record.id, { roles: null }, by)
  await until('no role', async () => (await chat(gateway, FRIEND, secret.reveal())).status === 200)
})

/** Whether a token is taken from two addresses, before its project denies one of them, then, and again afterwards. */
async function followToken(gateway: Gateway, token: string): Promise<void> {
  const { projects } = gateway.ostiary
  const deny = (deniedCidrs: string[] | null) =>
    projects.update('proj_default', { deniedCidrs }, internalActor('test'), () => {})
  const table = async () => {
    const all = await Promise.all(
      Array.from({ length: 6 }, () =>
        Promise.all([FRIEND, STRANGER].map(async from => (await chat(gateway, from, token)).status)),
      ),
    )
    return [...new Set(all.map(String))]
  }
  const becomes = (expected: string) =>
    until(expected, async () => (await table()).every(row => row === expected), 5000)
  await becomes('200,200')
  await deny([STRANGER])
  await becomes('200,403')
  await deny([STRANGER, FRIEND])
  await becomes('403,403')
  await deny(null)
  await becomes('200,200')
}

test('the addresses of a project hold for the tokens of identity providers, on every worker within the bound', async () => {
  await using issuer = await startTokenIssuer(1)
  await using gateway = await startGateway({ workers: 2, yaml: `issuers:\n  company:${issuer.yaml()}` })
  await followToken(gateway, await issuer.sign({ sub: 'ada' }))
})

test('and for opaque tokens, whose issuer is not asked again for it', async () => {
  await using endpoint = await startEndpoint()
  endpoint.tokens.set('opaque', activeClaims())
  await using gateway = await startGateway({ yaml: introspectionYaml(endpoint.url), env: INTROSPECTION_ENV })
  await followToken(gateway, 'opaque')
  assert.equal(endpoint.asked().length, 1)
})

test('and for signed tokens that their issuer confirms, though it is not asked again', async () => {
  await using endpoint = await startEndpoint()
  await using issuer = await startTokenIssuer(1)
  endpoint.answer = (_token, res) => sendJson(res, 200, { active: true })
  const introspection = `introspection: { url: '${endpoint.url}', clientId: a, clientSecret: env:INTROSPECTION, always: true }`
  await using gateway = await startGateway({
    yaml: `issuers:\n  company:${issuer.yaml(introspection)}`,
    env: INTROSPECTION_ENV,
  })
  await followToken(gateway, await issuer.sign({ sub: 'ada' }))
  assert.equal(endpoint.asked().length, 1)
})
