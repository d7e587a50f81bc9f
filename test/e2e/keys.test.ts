import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import type { ChangeEvent } from '#core/events.ts'
import { REVOCATION_BOUND_MS } from '#core/revocation.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { bootstrapToken, callOnce, startLoad } from '../support/process.ts'

const CHAT = JSON.stringify({ model: 'sandbox', messages: [{ role: 'user', content: 'Hello' }] })
const YAML = `models:
  gpt-test: { provider: sandbox }
  o-test: { provider: sandbox }
`

let gateway: Gateway
before(async () => {
  gateway = await startGateway({ yaml: YAML, workers: 2 })
})
after(() => gateway[Symbol.asyncDispose]())

/** Asks the admin API as its operator. */
async function admin(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
  const reply = await ask(gateway.adminUrl + path, {
    method,
    headers: {
      authorization: `Bearer ${bootstrapToken(gateway.dataDirectory)}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? '' : JSON.stringify(body),
  })
  return { status: reply.status, headers: reply.headers, json: JSON.parse(reply.text) }
}

async function mint(settings: object = {}): Promise<{ id: string; secret: string; etag: string }> {
  const { status, json, headers } = await admin('POST', '/api/keys', { name: 'k', environment: 'test', ...settings })
  assert.equal(status, 201, JSON.stringify(json))
  return { id: json.key.id, secret: json.secret, etag: String(headers.etag) }
}

function call(secret: string, path: string, body: string | null = CHAT, headers: Record<string, string> = {}) {
  return ask(gateway.url + path, {
    method: body === null ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', ...headers },
    body: body ?? '',
  })
}

const codeOf = (text: string) => JSON.parse(text).error.code
const statusOf = async (secret: string) => (await callOnce(gateway.url, secret)).status
/** Whatever a change is, every worker knows of it as soon as it is answered, or shortly after. */
const becomes = (status: number, secret: string) =>
  until(`${status}`, async () => (await Promise.all([1, 2, 3, 4].map(() => statusOf(secret)))).every(s => s === status))

async function eventsOf(subject: string): Promise<ChangeEvent[]> {
  const all = (await gateway.ostiary.store.events.list({ limit: 10_000 })) as ChangeEvent[]
  return all.filter(event => event.subject === subject).reverse()
}

describe('ceilings of a key', () => {
  test('scopes: names the missing one in body and challenge, before the body is read', async () => {
    const { id, secret } = await mint({ scopes: ['embeddings:create'] })
    const reply = await call(secret, '/v1/chat/completions', 'not even JSON')
    assert.deepEqual([reply.status, codeOf(reply.text)], [403, 'policy.scope'])
    assert.match(reply.text, /lacks the scope chat:create/)
    assert.equal(
      reply.headers['www-authenticate'],
      'Bearer realm="ostiary", error="insufficient_scope", scope="chat:create"',
    )
    const embedding = JSON.stringify({ model: 'sandbox', input: 'x' })
    assert.equal((await call(secret, '/v1/embeddings', embedding)).status, 200)
    assert.equal((await call(secret, '/v1/models', null)).status, 403)
    const { principal, problem, outcome } = await gateway.event(String(reply.headers['x-request-id']))
    assert.deepEqual(principal, { kind: 'api_key', id, project: 'proj_default', environment: 'test' })
    assert.deepEqual([problem, outcome], ['policy.scope', 'refused'])
  })

  test('operations', async () => {
    const { secret } = await mint({ operations: ['openai.chat'] })
    assert.equal(await statusOf(secret), 200)
    const reply = await call(secret, '/v1/responses', JSON.stringify({ model: 'sandbox', input: 'x' }))
    assert.deepEqual([reply.status, codeOf(reply.text)], [403, 'policy.operation'])
    assert.match(reply.text, /openai\.responses/)
  })

  test('models: by the caller’s name, in the call, in the path and in the list', async () => {
    const { secret } = await mint({ models: ['gpt-*'] })
    const named = (model: string) => JSON.stringify({ ...JSON.parse(CHAT), model })
    assert.equal((await call(secret, '/v1/chat/completions', named('gpt-test'))).status, 200)
    for (const model of ['o-test', 'sandbox']) {
      const reply = await call(secret, '/v1/chat/completions', named(model))
      assert.deepEqual([reply.status, codeOf(reply.text)], [403, 'policy.model'], model)
    }
    const gemini = JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'x' }] }] })
    assert.equal((await call(secret, '/v1beta/models/gpt-test:generateContent', gemini)).status, 200)
    assert.equal((await call(secret, '/v1beta/models/o-test:generateContent', gemini)).status, 403)
    const list = await call(secret, '/v1/models', null)
    assert.deepEqual(
      JSON.parse(list.text).data.map(({ id }: { id: string }) => id),
      ['gpt-test'],
    )
    assert.equal((await call(secret, '/v1/models/gpt-test', null)).status, 200)
    assert.equal((await call(secret, '/v1/models/o-test', null)).status, 404)
  })

  test('addresses: the peer’s own, whatever it says of itself, right after the key and before anything else', async () => {
    const elsewhere = await mint({ cidrs: ['10.0.0.0/8', '::/0'] })
    const here = await mint({ cidrs: ['127.0.0.0/8'] })
    assert.equal(await statusOf(here.secret), 200)
    for (const headers of [
      {},
      { 'x-forwarded-for': '10.0.0.1' },
      { forwarded: 'for=10.0.0.1', 'x-real-ip': '10.0.0.1' },
    ]) {
      const reply = await call(elsewhere.secret, '/v1/chat/completions', 'not even JSON', headers)
      assert.deepEqual([reply.status, codeOf(reply.text)], [403, 'policy.address'])
    }
    assert.equal((await call(elsewhere.secret, '/v1/nothing/here', '')).status, 403, 'nor is it told what is where')
    assert.equal((await call(here.secret, '/v1/nothing/here', '')).status, 404)
  })

  test('a ceiling that is lowered holds for remembered keys too', async () => {
    const { id, secret } = await mint()
    await becomes(200, secret)
    assert.equal((await admin('PATCH', `/api/keys/${id}`, { models: ['gpt-*'] })).status, 200)
    await becomes(403, secret)
    assert.equal((await admin('PATCH', `/api/keys/${id}`, { models: null })).status, 200)
    await becomes(200, secret)
    assert.deepEqual(
      (await eventsOf(id)).map(event => event.type),
      ['key.created', 'key.updated', 'key.updated'],
    )
  })

  for (const [settings, detail] of [
    [{ scopes: ['chat:write'] }, /no scope/],
    [{ scopes: [] }, /allows nothing/],
    [{ operations: ['openai.nothing'] }, /no operation/],
    [{ scopes: ['models:read'], operations: ['openai.chat'] }, /needs the scope chat:create/],
    [{ models: ['gpt**'] }, /two stars/],
    [
      { models: ['gpt-*', 'claude-*'] },
      /"claude-\*" fits no model that is configured; there are: gpt-test, o-test, sandbox/,
    ],
    [{ cidrs: ['10.0.0.1/8'] }, /beyond its prefix/],
    [{ limits: [{ unit: 'requests', amount: 5 }] }, /limits/],
    [{ limits: [{ unit: 'requests', amount: 0.5, window_seconds: 60 }] }, /no amount/],
    [{ limits: [{ unit: 'concurrency', amount: 5, window_seconds: 60 }] }, /limits/],
    [{ budgets: [{ unit: 'eur', amount: 5, period: 'month' }] }, /budgets/],
    [{ budgets: [{ unit: 'usd', amount: 5, period: 'year' }] }, /budgets/],
    [{ metadata: { __proto__x: 'a' } }, /metadata/],
    [{ metadata: { team: 7 } }, /metadata/],
    [{ metadata: { team: 'a\u0000' } }, /metadata/],
    [{ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, ''])) }, /metadata/],
    [{ project: 'nowhere' }, null],
    [{ id: 'key_x' }, /additional|unknown/],
  ] as const) {
    test(`refuses to mint with ${JSON.stringify(settings).slice(0, 70)}, and changes nothing`, async () => {
      const before = (await gateway.ostiary.store.keys.list({ limit: 1000 })).length
      const { status, json } = await admin('POST', '/api/keys', { name: 'k', environment: 'test', ...settings })
      assert.deepEqual(
        [status, json.code],
        detail === null ? [404, 'project.not_found'] : [400, 'admin.invalid_input'],
        JSON.stringify(json),
      )
      if (detail !== null) assert.match(json.detail, detail)
      assert.equal((await gateway.ostiary.store.keys.list({ limit: 1000 })).length, before)
    })
  }
})

describe('the life of a key', () => {
  test('what is said of a key is shown, listed and changed', async () => {
    const settings = {
      scopes: ['chat:create'],
      models: ['gpt-*'],
      operations: ['openai.chat'],
      cidrs: ['127.0.0.0/8'],
      limits: [
        { unit: 'requests', amount: 20, window_seconds: 60 },
        { unit: 'concurrency', amount: 2 },
      ],
      budgets: [{ unit: 'usd', amount: 10.5, period: 'month' }],
      binding: { dpop_jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' },
      metadata: { team: 'a' },
    }
    const { id, secret, etag } = await mint({ ...settings, name: 'all of it', expires_in: 3600 })
    const shown = await admin('GET', `/api/keys/${id}`)
    assert.equal(shown.headers.etag, etag)
    const { key } = shown.json
    for (const [name, value] of Object.entries(settings)) assert.deepEqual(key[name], value, name)
    assert.deepEqual([key.created_by, key.version, key.status, key.last_used_at], ['bootstrap', 1, 'active', null])
    assert.equal(key.secrets.length, 1)
    assert.ok(!JSON.stringify(shown.json).includes(secret.slice(8, 36)))
    const listed = await admin('GET', '/api/keys?metadata=team%3Da&name=all%20of%20it&status=active&environment=test')
    assert.deepEqual(listed.json, { keys: [key], next: null })

    const update = {
      name: 'less',
      scopes: null,
      limits: null,
      budgets: null,
      binding: null,
      metadata: {},
      expires_in: 7200,
    }
    const changed = await admin('PATCH', `/api/keys/${id}`, update)
    assert.equal(changed.status, 200, JSON.stringify(changed.json))
    const now = changed.json.key
    assert.deepEqual([now.name, now.scopes, now.limits, now.budgets, now.metadata], ['less', null, null, null, {}])
    assert.deepEqual([now.binding, now.models, now.version], [null, ['gpt-*'], 2])
    assert.ok(Date.parse(now.expires_at) > Date.parse(key.expires_at) + 3_500_000)
    const [, event] = await eventsOf(id)
    assert.deepEqual(event?.detail?.before, {
      ...settings,
      limits: [
        { unit: 'requests', amount: 20, windowSeconds: 60 },
        { unit: 'concurrency', amount: 2 },
      ],
      binding: { kind: 'dpop', thumbprint: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' },
      name: 'all of it',
      expires_at: Date.parse(key.expires_at),
    })
  })

  test('a change of what somebody else changed meanwhile is refused', async () => {
    const { id, etag } = await mint()
    const first = await admin('PATCH', `/api/keys/${id}`, { name: 'first' }, { 'if-match': etag })
    assert.equal(first.status, 200)
    assert.notEqual(first.headers.etag, etag)
    const second = await admin('PATCH', `/api/keys/${id}`, { name: 'second' }, { 'if-match': etag })
    assert.deepEqual([second.status, second.json.code], [412, 'admin.precondition_failed'])
    assert.equal((await admin('GET', `/api/keys/${id}`)).json.key.name, 'first')
    const tags = `"0", ${first.headers.etag}`
    assert.equal((await admin('PATCH', `/api/keys/${id}`, { name: 'third' }, { 'if-match': tags })).status, 200)
    assert.equal((await admin('PATCH', `/api/keys/${id}`, { name: 'x' }, { 'if-match': 'W/"3"' })).status, 412)
    assert.equal((await admin('PATCH', `/api/keys/${id}`, { name: 'any' }, { 'if-match': '*' })).status, 200)
  })

  test('of many changes of one version at once, one is made', async () => {
    const { id, etag } = await mint()
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) => admin('PATCH', `/api/keys/${id}`, { name: `n${n}` }, { 'if-match': etag })),
    )
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, ...Array(9).fill(412)])
  })

  test('disabled it is refused like an unknown one, enabled it works again; twice changes nothing', async () => {
    const { id, secret } = await mint()
    await becomes(200, secret)
    const disabled = await admin('POST', `/api/keys/${id}/disable`, {})
    assert.deepEqual([disabled.status, disabled.json.key.status], [200, 'disabled'])
    await becomes(401, secret)
    const refused = await call(secret, '/v1/chat/completions')
    const unknown = await call(`${secret.slice(0, -6)}000000`, '/v1/chat/completions')
    assert.equal(refused.text, unknown.text)
    await admin('POST', `/api/keys/${id}/disable`, {})
    await admin('POST', `/api/keys/${id}/enable`, {})
    await admin('POST', `/api/keys/${id}/enable`, {})
    await becomes(200, secret)
    assert.deepEqual(
      (await eventsOf(id)).map(event => event.type),
      ['key.created', 'key.disabled', 'key.enabled'],
    )
    const reasons = (await gateway.refusals()).filter(({ credential }) => credential === id).map(({ reason }) => reason)
    assert.ok(reasons.length === 0 || reasons.every(reason => reason === 'disabled'))
  })

  test('rotated with a grace both secrets work, rotated without it only the newest', async () => {
    const { id, secret: first } = await mint()
    await becomes(200, first)
    const rotated = await admin('POST', `/api/keys/${id}/rotate`, { grace: 3600 })
    assert.equal(rotated.status, 200)
    const second = rotated.json.secret
    assert.notEqual(second, first)
    assert.equal(rotated.json.key.secrets.length, 2)
    assert.deepEqual([await statusOf(first), await statusOf(second)], [200, 200])
    const third = (await admin('POST', `/api/keys/${id}/rotate`, { grace: 0 })).json
    await Promise.all([becomes(401, first), becomes(401, second), becomes(200, third.secret)])
    assert.equal(third.key.secrets.length, 1)
    assert.equal(third.key.hint, `sk_test_…${third.secret.slice(-4)}`)
    await admin('POST', `/api/keys/${id}/revoke`, {})
    await becomes(401, third.secret)
  })

  test('a grace ends by itself, on every worker, though the secret is remembered there', async () => {
    const { id, secret } = await mint()
    await becomes(200, secret)
    const begun = performance.now()
    const { secret: next } = (await admin('POST', `/api/keys/${id}/rotate`, { grace: 1 })).json
    await becomes(401, secret)
    assert.ok(performance.now() - begun >= 900, 'not before its time')
    assert.ok(performance.now() - begun < 1000 + REVOCATION_BOUND_MS)
    assert.equal(await statusOf(next), 200)
  })

  test('at most five secrets of a key work at once', async () => {
    const { id } = await mint()
    for (let n = 0; n < 4; n++) assert.equal((await admin('POST', `/api/keys/${id}/rotate`, { grace: 60 })).status, 200)
    const { status, json } = await admin('POST', `/api/keys/${id}/rotate`, { grace: 60 })
    assert.deepEqual([status, json.code], [409, 'key.too_many_secrets'])
    assert.equal((await admin('POST', `/api/keys/${id}/rotate`, { grace: 0 })).status, 200)
    assert.equal((await admin('GET', `/api/keys/${id}`)).json.key.secrets.length, 1)
  })

  test('rotation with grace under continuous load loses no call', async () => {
    const { id, secret } = await mint()
    await using loads = new AsyncDisposableStack()
    const all = [loads.use(startLoad(gateway.url, secret, 2))]
    for (let round = 0; round < 4; round++) {
      const { json } = await admin('POST', `/api/keys/${id}/rotate`, { grace: 600 })
      all.push(loads.use(startLoad(gateway.url, json.secret, 2)))
      const load = all.at(-1)
      await until('calls with the new secret', () => (load?.statuses()[200] ?? 0) > 20)
    }
    await Promise.all(all.map(load => load.stop()))
    for (const load of all) {
      assert.deepEqual(Object.keys(load.statuses()), ['200'])
      assert.deepEqual(
        load.lines.flatMap(({ errors }) => errors),
        [],
      )
    }
  })

  test('what was revoked stays so, and is neither changed nor rotated', async () => {
    const { id } = await mint()
    await admin('POST', `/api/keys/${id}/revoke`, {})
    const { revoked_at: at } = (await admin('POST', `/api/keys/${id}/revoke`, {})).json.key
    assert.notEqual(at, null)
    for (const [method, path, body] of [
      ['PATCH', '', { name: 'x' }],
      ['POST', '/rotate', { grace: 0 }],
      ['POST', '/disable', {}],
      ['POST', '/enable', {}],
    ] as const) {
      const { status, json } = await admin(method, `/api/keys/${id}${path}`, body)
      assert.deepEqual([status, json.code], [409, 'key.ended'], path)
    }
    const { json } = await admin('GET', `/api/keys/${id}`)
    assert.deepEqual([json.key.status, json.key.revoked_at, json.key.secrets], ['revoked', at, []])
  })

  test('refuses what does not fit a rotation or a change', async () => {
    const { id } = await mint()
    for (const [method, path, body] of [
      ['POST', '/rotate', {}],
      ['POST', '/rotate', { grace: -1 }],
      ['POST', '/rotate', { grace: 2_592_001 }],
      ['POST', '/rotate', { grace: 0.5 }],
      ['POST', '/rotate', { grace: null }],
      ['POST', '/rotate', { grace: 0, keep: true }],
      ['PATCH', '', {}],
      ['PATCH', '', { environment: 'live' }],
      ['PATCH', '', { project: 'default' }],
      ['PATCH', '', { scopes: 'chat:create' }],
      ['PATCH', '', { expires_in: 0 }],
    ] as const) {
      const { status, json } = await admin(method, `/api/keys/${id}${path}`, body)
      assert.deepEqual([status, json.code], [400, 'admin.invalid_input'], JSON.stringify(body))
    }
    const long = await admin('PATCH', `/api/keys/${id}`, { expires_in: 91 * 86_400 })
    assert.deepEqual([long.status, long.json.code], [400, 'key.lifetime_exceeded'])
    assert.equal((await admin('GET', `/api/keys/${id}`)).json.key.version, 1)
  })

  test('says on answers of the last week when the key ends, and announces it once', async () => {
    const soon = await mint({ expires_in: 6 * 86_400 })
    const later = await mint({ expires_in: 8 * 86_400 })
    const { expires_at: end } = (await admin('GET', `/api/keys/${soon.id}`)).json.key
    const header = async (secret: string, path: string, body: string | null) =>
      (await call(secret, path, body)).headers['x-ostiary-key-expires']
    const wanted = new Date(Math.floor(Date.parse(end) / 1000) * 1000).toUTCString()
    for (const [path, body] of [
      ['/v1/chat/completions', CHAT],
      ['/v1/chat/completions', '{}'],
      ['/v1/models', null],
      ['/v1/nothing', null],
    ] as const) {
      assert.equal(await header(soon.secret, path, body), wanted, path)
      assert.equal(await header(later.secret, path, body), undefined, path)
    }
    assert.equal(await header('sk_wrong', '/v1/models', null), undefined)
  })
})

describe('many keys at once', () => {
  test('of a project, of a prefix, by ids: ends those and no others', async () => {
    const { project } = (await admin('POST', '/api/projects', { name: 'bulk' })).json
    const own = await Promise.all([1, 2, 3].map(() => mint({ project: 'bulk' })))
    const [other, third] = [await mint(), await mint()]
    await becomes(200, (own[0] as { secret: string }).secret)
    const byProject = await admin('POST', '/api/keys/revoke', { project: project.id })
    assert.deepEqual(byProject.json.revoked.toSorted(), own.map(({ id }) => id).toSorted())
    assert.deepEqual([byProject.json.more, byProject.json.unknown], [false, []])
    for (const { secret } of own) await becomes(401, secret)
    assert.equal(await statusOf(other.secret), 200)
    assert.deepEqual((await admin('POST', '/api/keys/revoke', { project: 'bulk' })).json.revoked, [])

    const { hint } = (await admin('GET', `/api/keys/${other.id}`)).json.key
    const byHint = await admin('POST', '/api/keys/revoke', { prefix: hint })
    assert.ok(byHint.json.revoked.includes(other.id))
    await becomes(401, other.secret)
    const none = `key_${'0'.repeat(26)}`
    const byId = await admin('POST', '/api/keys/revoke', { ids: [third.id, none, third.id] })
    assert.deepEqual(byId.json, { revoked: [third.id], unknown: [none], more: false })
    assert.deepEqual(
      (await eventsOf(third.id)).map(event => event.type),
      ['key.created', 'key.revoked'],
    )
    for (const body of [
      {},
      { prefix: 's' },
      { prefix: '' },
      { prefix: 'sk_live' },
      { prefix: '%' },
      { ids: [] },
      { project: 'bulk', prefix: 'sk_live_' },
      { ids: ['x'] },
    ]) {
      const { status, json } = await admin('POST', '/api/keys/revoke', body)
      assert.deepEqual([status, json.code], [400, 'admin.invalid_input'], JSON.stringify(body))
    }
  })

  test('leaked texts: ends the keys of those that work, says nothing of those that are none', async () => {
    const [leaked, rotated, ended] = [await mint(), await mint(), await mint()]
    await admin('POST', `/api/keys/${rotated.id}/rotate`, { grace: 0 })
    await admin('POST', `/api/keys/${ended.id}/revoke`, {})
    await becomes(200, leaked.secret)
    const secrets = [leaked.secret, 'sk-proj-of-somebody-else', rotated.secret, ended.secret, leaked.secret, '']
    const report = () => admin('POST', '/api/keys/report-leak', { secrets })
    const first = await report()
    assert.equal(first.status, 200)
    assert.deepEqual(first.json.results, [
      { outcome: 'revoked', key: leaked.id },
      { outcome: 'unknown', key: null },
      { outcome: 'ended', key: rotated.id },
      { outcome: 'ended', key: ended.id },
      { outcome: 'revoked', key: leaked.id },
      { outcome: 'unknown', key: null },
    ])
    await becomes(401, leaked.secret)
    assert.equal((await report()).json.results[0].outcome, 'ended', 'once more changes nothing')
    const events = await eventsOf(leaked.id)
    assert.deepEqual(
      events.map(event => event.type),
      ['key.created', 'key.leak_reported', 'key.revoked'],
    )
    for (const text of secrets.filter(each => each !== '')) {
      assert.ok(!JSON.stringify(await gateway.ostiary.store.events.list({ limit: 10_000 })).includes(text))
    }
  })
})

describe('projects', () => {
  test('are made, shown by id and name, listed, changed and deleted', async () => {
    const made = await admin('POST', '/api/projects', { name: 'shop', metadata: { team: 'a' } })
    assert.equal(made.status, 201)
    const { id } = made.json.project
    assert.match(id, /^proj_[0-9a-z]{26}$/)
    for (const named of [id, 'shop']) {
      const { json, headers } = await admin('GET', `/api/projects/${named}`)
      assert.deepEqual([json, headers.etag], [made.json, made.headers.etag])
    }
    const twin = await admin('POST', '/api/projects', { name: 'shop' })
    assert.deepEqual([twin.status, twin.json.code], [409, 'store.conflict'])
    const changed = await admin('PATCH', `/api/projects/${id}`, { description: 'x' }, { 'if-match': '"1"' })
    assert.deepEqual([changed.json.project.description, changed.headers.etag], ['x', '"2"'])
    assert.equal((await admin('PATCH', `/api/projects/${id}`, { name: 'y' }, { 'if-match': '"1"' })).status, 412)
    const names = (await admin('GET', '/api/projects?limit=1000')).json.projects.map((p: { name: string }) => p.name)
    assert.deepEqual(names, names.toSorted())
    assert.ok(names.includes('shop') && names.includes('default'))
    const page = (await admin('GET', '/api/projects?limit=1')).json
    assert.deepEqual([page.projects.length, page.next], [1, page.projects[0].name])

    const { id: key } = await mint({ project: 'shop' })
    assert.equal((await admin('GET', '/api/keys?project=shop')).json.keys.length, 1)
    const inUse = await admin('DELETE', `/api/projects/${id}`)
    assert.deepEqual([inUse.status, inUse.json.code], [409, 'project.not_deletable'])
    await admin('POST', `/api/keys/${key}/revoke`, {})
    assert.equal((await admin('DELETE', `/api/projects/${id}`, undefined, { 'if-match': '"1"' })).status, 412)
    assert.deepEqual((await admin('DELETE', `/api/projects/${id}`)).json, { deleted: id })
    assert.equal((await admin('GET', `/api/keys/${key}`)).status, 404)
    assert.deepEqual(
      (await eventsOf(id)).map(event => [event.type, event.project]),
      [
        ['project.created', id],
        ['project.updated', id],
        ['project.deleted', id],
      ],
    )
  })

  test('the default one stays, and keeps its name', async () => {
    const gone = await admin('DELETE', '/api/projects/proj_default')
    assert.deepEqual([gone.status, gone.json.code], [409, 'project.not_deletable'])
    assert.equal((await admin('PATCH', '/api/projects/proj_default', { name: 'other' })).status, 400)
    assert.equal((await admin('PATCH', '/api/projects/proj_default', { description: 'x' })).status, 200)
  })

  for (const [method, path, body, status] of [
    ['POST', '', {}, 400],
    ['POST', '', { name: 'Shop' }, 400],
    ['POST', '', { name: 'proj_x' }, 400],
    ['POST', '', { name: 'x'.repeat(64) }, 400],
    ['POST', '', { name: 'x', description: 'a\u001b[31m' }, 400],
    ['POST', '', { name: 'x', colour: 'red' }, 400],
    ['PATCH', '/proj_default', {}, 400],
    ['PATCH', '/default', { description: 'x' }, 400],
    ['PATCH', `/proj_${'0'.repeat(26)}`, { description: 'x' }, 404],
    ['DELETE', `/proj_${'0'.repeat(26)}`, undefined, 404],
    ['GET', '/nowhere', undefined, 404],
    ['GET', '?limit=0', undefined, 400],
    ['GET', '?after=%00', undefined, 400],
  ] as const) {
    test(`answers ${status} to ${method} ${path} ${JSON.stringify(body) ?? ''}`, async () => {
      const reply = await admin(method, `/api/projects${path}`, body)
      assert.equal(reply.status, status, JSON.stringify(reply.json))
      assert.equal(reply.json.code, status === 400 ? 'admin.invalid_input' : 'project.not_found')
    })
  }
})

describe('an operator limited to projects', () => {
  const limited = (...projects: string[]) => ({ ...internalActor('tok_1'), projects: new Set(projects) })

  test('sees, mints and changes nothing of another project, and cannot tell it from what is not there', async () => {
    const { keys, projects, bulk, leaks } = gateway.ostiary
    const mine = (await admin('POST', '/api/projects', { name: 'mine' })).json.project.id
    const by = limited(mine)
    const own = await keys.mint({ name: 'own', environment: 'test', project: 'mine' }, by)
    assert.equal(own.record.project, mine)
    const foreign = await mint()
    const absent = `key_${'0'.repeat(26)}`
    for (const act of [
      (id: string) => keys.find(id, by),
      (id: string) => keys.update(id, { name: 'x' }, by),
      (id: string) => keys.update(id, { name: 'x' }, by, () => assert.fail('looked at')),
      (id: string) => keys.rotate(id, 0, by),
      (id: string) => keys.disable(id, by),
      (id: string) => keys.enable(id, by),
      (id: string) => keys.revoke(id, by),
    ]) {
      for (const id of [foreign.id, absent]) {
        await assert.rejects(act(id), { code: 'key.not_found', detail: `There is no key ${id}.` })
      }
    }
    for (const project of [undefined, 'default', 'proj_default', 'nowhere', `proj_${'0'.repeat(26)}`]) {
      const minted = keys.mint({ name: 'x', environment: 'test', project }, by)
      await assert.rejects(minted, {
        code: 'project.not_found',
        detail: `There is no project ${project ?? 'proj_default'}.`,
      })
    }
    assert.deepEqual(
      (await keys.list({ limit: 1000 }, by)).map(({ id }) => id),
      [own.record.id],
    )
    for (const project of ['default', 'proj_default', 'nowhere']) {
      const detail = `There is no project ${project}.`
      await assert.rejects(keys.list({ limit: 9, project }, by), { code: 'project.not_found', detail })
      await assert.rejects(projects.find(project, by), { code: 'project.not_found', detail })
      await assert.rejects(bulk.revoke({ project }, by), { code: 'project.not_found', detail })
    }
    const allow = () => {}
    await assert.rejects(projects.update('proj_default', { name: 'x' }, by, allow), { code: 'project.not_found' })
    await assert.rejects(projects.delete('proj_default', by, allow), { code: 'project.not_found' })
    await assert.rejects(projects.create({ name: 'new', description: null, metadata: {} }, by), {
      code: 'admin.forbidden',
    })
    assert.deepEqual(
      (await projects.list({ limit: 9 }, by)).map(({ id }) => id),
      [mine],
    )
    assert.deepEqual(await bulk.revoke({ ids: [foreign.id, absent] }, by), {
      revoked: [],
      unknown: [foreign.id, absent],
      more: false,
    })
    assert.deepEqual(await leaks.report([foreign.secret], by), [{ outcome: 'unknown', key: null }])
    assert.equal(await statusOf(foreign.secret), 200)
    const { revoked } = await bulk.revoke({ prefix: 'sk_test_' }, by)
    assert.deepEqual(revoked, [own.record.id])
    assert.equal(await statusOf(foreign.secret), 200)
    assert.equal((await admin('GET', `/api/keys/${foreign.id}`)).json.key.version, 1)
  })
})
