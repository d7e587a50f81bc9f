import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fastify } from 'fastify'
import { admitCaller } from '#admin/caller.ts'
import { secretsDelete } from '#admin/operations/secrets-delete.ts'
import { secretsList } from '#admin/operations/secrets-list.ts'
import { secretsRewrap } from '#admin/operations/secrets-rewrap.ts'
import { secretsRotate } from '#admin/operations/secrets-rotate.ts'
import { secretsSet } from '#admin/operations/secrets-set.ts'
import type { SecretOperations } from '#admin/secret-operations.ts'
import { internalActor } from '#core/actor.ts'
import { adminScopes } from '#core/operator.ts'
import { Secret } from '#core/secret.ts'
import { openKeyRing } from '#secrets/key-ring.ts'
import { createVault } from '#secrets/vault.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { createDeployment, startProcess } from '../support/process.ts'

const OPERATIONS: readonly (readonly [method: string, path: string, body?: object])[] = [
  ['GET', '/api/secrets'],
  ['PUT', '/api/secrets/up', { value: 'the-value' }],
  ['POST', '/api/secrets/up/rotate', { value: 'the-value', grace: 1 }],
  ['DELETE', '/api/secrets/up'],
  ['POST', '/api/secrets/rewrap'],
]

describe('the operations on secrets', () => {
  let gateway: Gateway
  let token: string
  before(async () => {
    gateway = await startGateway()
    token = readFileSync(join(gateway.dataDirectory, 'bootstrap-token'), 'utf8').trim()
  })
  after(() => gateway[Symbol.asyncDispose]())

  async function send(method: string, path: string, body?: unknown, credential = token) {
    const headers = {
      authorization: `Bearer ${credential}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
    const reply = await ask(gateway.adminUrl + path, { method, headers, body: text })
    return { status: reply.status, json: JSON.parse(reply.text) as Record<string, unknown>, text: reply.text }
  }
  const rows = async () =>
    (await gateway.ostiary.store.secrets.list({ limit: 100 })).map(([{ name, version }]) => [name, version])

  for (const [method, path, body] of OPERATIONS) {
    test(`${method} ${path} wants a token`, async () => {
      const { status, json } = await send(method, path, body, 'so_wrong')
      assert.deepEqual([status, json.code], [401, 'admin.unauthorized'])
      assert.deepEqual(await rows(), [])
    })
  }

  test('set, rotate, list and delete, and never give a value back', async () => {
    const set = await send('PUT', '/api/secrets/up', { value: 'value-number-one' })
    const rotated = await send('POST', '/api/secrets/up/rotate', { value: 'value-number-two', grace: 60 })
    const listed = await send('GET', '/api/secrets')
    assert.deepEqual([set.status, rotated.status, listed.status], [200, 200, 200])
    const [secret] = listed.json.secrets as Record<string, unknown>[]
    assert.deepEqual(secret, rotated.json.secret)
    assert.deepEqual(Object.keys(secret ?? {}), ['name', 'version', 'created_at', 'kek_id', 'used_by', 'previous'])
    assert.match(JSON.stringify(secret), /"previous":\{"version":1,/)
    assert.doesNotMatch(set.text + rotated.text + listed.text, /value-number/)
    assert.deepEqual((await send('DELETE', '/api/secrets/up')).json, { deleted: 'up' })
    assert.deepEqual(await rows(), [])
  })

  test('list in pages', async () => {
    for (const name of ['a', 'b', 'c']) await send('PUT', `/api/secrets/${name}`, { value: 'x' })
    const first = (await send('GET', '/api/secrets?limit=2')).json
    const second = (await send('GET', `/api/secrets?limit=2&after=${first.next}`)).json
    const names = (page: typeof first) => (page.secrets as { name: string }[]).map(({ name }) => name)
    assert.deepEqual([names(first), first.next, names(second), second.next], [['a', 'b'], 'b', ['c'], null])
    for (const name of ['a', 'b', 'c']) await send('DELETE', `/api/secrets/${name}`)
  })

  test('take the longest value, and none that is longer', async () => {
    assert.equal((await send('PUT', '/api/secrets/long', { value: '"'.repeat(65_536) })).status, 200)
    assert.equal((await send('PUT', '/api/secrets/long', { value: 'x'.repeat(65_537) })).status, 400)
    assert.equal((await send('PUT', '/api/secrets/long', { value: 'x'.repeat(200_000) })).status, 413)
    await send('DELETE', '/api/secrets/long')
  })

  const wrong: readonly (readonly [string, string, unknown, number, string])[] = [
    ['PUT', '/api/secrets/up', {}, 400, 'admin.invalid_input'],
    ['PUT', '/api/secrets/up', { value: '' }, 400, 'admin.invalid_input'],
    ['PUT', '/api/secrets/up', { value: 5 }, 400, 'admin.invalid_input'],
    ['PUT', '/api/secrets/up', { value: 'hidden text' }, 400, 'admin.invalid_input'],
    ['PUT', '/api/secrets/up', { value: 'hidden\n' }, 400, 'admin.invalid_input'],
    ['PUT', '/api/secrets/up', { value: 'hiddé' }, 400, 'admin.invalid_input'],
    ['PUT', '/api/secrets/up', { value: 'hidden', more: 1 }, 400, 'admin.invalid_input'],
    ['PUT', '/api/secrets/up', '{"value":"hidden"', 400, 'admin.invalid_input'],
    ['PUT', '/api/secrets/1up', { value: 'hidden' }, 400, 'admin.invalid_input'],
    ['PUT', `/api/secrets/${'a'.repeat(65)}`, { value: 'hidden' }, 400, 'admin.invalid_input'],
    ['PUT', '/api/secrets/a%2fb', { value: 'hidden' }, 400, 'admin.invalid_input'],
    ['POST', '/api/secrets/none/rotate', { value: 'hidden', grace: 1 }, 404, 'secret.not_found'],
    ['POST', '/api/secrets/none/rotate', { value: 'hidden' }, 400, 'admin.invalid_input'],
    ['POST', '/api/secrets/none/rotate', { value: 'hidden', grace: -1 }, 400, 'admin.invalid_input'],
    ['POST', '/api/secrets/none/rotate', { value: 'hidden', grace: 2_592_001 }, 400, 'admin.invalid_input'],
    ['DELETE', '/api/secrets/none', undefined, 404, 'secret.not_found'],
    ['GET', '/api/secrets?limit=0', undefined, 400, 'admin.invalid_input'],
    ['GET', '/api/secrets?all=1', undefined, 400, 'admin.invalid_input'],
    ['GET', '/api/secrets/up', undefined, 404, 'route.not_found'],
  ]
  for (const [method, path, body, status, code] of wrong) {
    test(`answer ${method} ${path.slice(0, 40)} ${JSON.stringify(body)} with ${code}, and change nothing`, async () => {
      const before = (await gateway.ostiary.store.events.list({ limit: 1000 })).length
      const answer = await send(method, path, body)
      assert.deepEqual([answer.status, answer.json.code], [status, code], answer.text)
      assert.doesNotMatch(answer.text, /hidd/)
      assert.deepEqual(await rows(), [])
      assert.equal((await gateway.ostiary.store.events.list({ limit: 1000 })).length, before)
    })
  }
})

test('an operator of some projects is told nothing of the gateway’s secrets, and changes none', async () => {
  const server = fastify()
  server.addHook('onRequest', async request => {
    admitCaller(request, { id: 'tok_1', scopes: new Set(adminScopes), projects: new Set(['prj_1']) })
  })
  const reached: string[] = []
  const secrets = new Proxy({} as SecretOperations, {
    get: (_target, name) => () => void reached.push(String(name)),
  })
  for (const register of [secretsList, secretsSet, secretsRotate, secretsDelete, secretsRewrap]) {
    register(server as never, { secrets })
  }
  for (const [method, url, body] of OPERATIONS) {
    const reply = await server.inject({ method: method as 'GET', url, ...(body && { body }) })
    assert.equal(reply.json().code, 'admin.forbidden', `${method} ${url}`)
  }
  assert.deepEqual(reached, [])
})

test('the log warns of secrets that were not rotated for long, by name', async () => {
  using deployment = createDeployment('secrets: { warnAgeDays: 30 }\n')
  {
    await using gateway = await startGateway({ folder: deployment.folder })
    const by = internalActor('test')
    const { store } = gateway.ostiary
    const keys = openKeyRing(gateway.dataDirectory, {})
    const daysAgo = (days: number) =>
      createVault({ keys, store: store.secrets, clock: () => Date.now() - days * 86_400_000 })
    await daysAgo(31).set('old', new Secret('value-of-the-old'), by)
    await daysAgo(29).set('young', new Secret('value-of-the-young'), by)
  }
  await using gateway = await startProcess(deployment)
  const line = await until('the warning', () =>
    gateway
      .stderr()
      .split('\n')
      .find(line => line.includes('warnAgeDays')),
  )
  assert.deepEqual([JSON.parse(line).level, JSON.parse(line).secrets], [40, ['old']])
})
