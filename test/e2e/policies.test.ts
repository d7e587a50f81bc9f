import assert from 'node:assert/strict'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import type { GatewayEvent } from '#core/events.ts'
import { REVOCATION_BOUND_MS } from '#core/revocation.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { askAdmin, callOnce, runCli } from '../support/process.ts'
import { startTokenIssuer, type TokenIssuer } from '../support/token-issuer.ts'

const NOBODY = '@id("nobody")\nforbid (principal, action, resource);\n'
const NO_IMAGES = `@id("no-images")
forbid (principal, action in Ostiary::Action::"models.call", resource)
when { context.features.contains("images") };
`

interface Folder {
  readonly folder: string
}

/** Makes the file the only one in the folder of policies; null = there is none. */
function writePolicies({ folder }: Folder, text: string | null): void {
  const policies = join(folder, 'policies')
  rmSync(policies, { recursive: true, force: true })
  if (text === null) return
  mkdirSync(policies)
  writeFileSync(join(policies, 'own.cedar'), text)
}

async function reloadWith(gateway: Gateway, text: string | null): Promise<readonly string[]> {
  writePolicies(gateway, text)
  return (await gateway.ostiary.reload('test')).changes
}

async function namesOfModels(url: string, credential: string): Promise<string[]> {
  const reply = await ask(`${url}/v1/models`, { method: 'GET', headers: { authorization: `Bearer ${credential}` } })
  assert.equal(reply.status, 200, reply.text)
  return JSON.parse(reply.text).data.map(({ id }: { id: string }) => id)
}

describe('policies', () => {
  let gateway: Gateway
  before(async () => {
    gateway = await startGateway({ workers: 4 })
  })
  after(() => gateway[Symbol.asyncDispose]())

  /** Statuses of calls that reach every worker, sooner or later. */
  async function statuses(key: string): Promise<string> {
    const replies = await Promise.all(Array.from({ length: 40 }, () => callOnce(gateway.url, key)))
    return [...new Set(replies.map(({ status }) => status))].join()
  }

  test('a reload brings them to every worker at once, says what it takes away, and lists show no more than calls reach', async () => {
    const key = gateway.testKey
    assert.equal(await statuses(key), '200')
    assert.deepEqual(await namesOfModels(gateway.url, key), ['sandbox'])
    assert.deepEqual(await reloadWith(gateway, NOBODY), ['policies: added forbid "nobody"'])
    assert.equal(await statuses(key), '403')
    assert.deepEqual(await namesOfModels(gateway.url, key), [])
    const standing = await ask(`${gateway.url}/ostiary/key?model=sandbox`, {
      method: 'GET',
      headers: { authorization: `Bearer ${key}` },
    })
    assert.equal(standing.status, 404)
    const refused = await callOnce(gateway.url, key)
    assert.equal(JSON.parse(refused.text).error.code, 'policy.denied')
    assert.doesNotMatch(refused.text, /nobody/)
    const event = await gateway.event(refused.id)
    assert.deepEqual([event.problem, event.reason, event.policies], ['policy.denied', 'nobody', ['nobody']])
    assert.deepEqual(await reloadWith(gateway, null), ['policies: loosened: removed forbid "nobody"'])
    assert.equal(await statuses(key), '200')
    const [reloaded] = (await gateway.ostiary.store.events.list({
      limit: 1,
      type: 'config.reloaded',
    })) as GatewayEvent[]
    assert.equal(reloaded?.detail, 'test: policies: loosened: removed forbid "nobody"')
  })

  test('an invalid set is refused, by file and line, and the last good one stays', async () => {
    await reloadWith(gateway, NOBODY)
    writePolicies(gateway, `${NOBODY}\npermit (principal in Ostiary::Role::"editor", action, resource);\n`)
    const { status, json } = await askAdmin(gateway, '/api/config/reload', {})
    assert.deepEqual([status, json.code], [400, 'config.invalid'])
    assert.match(String(json.detail), /^own\.cedar:4: policy "own\.cedar#2": there is no role "editor"/)
    const [event] = (await gateway.ostiary.store.events.list({
      limit: 1,
      type: 'config.reload_refused',
    })) as GatewayEvent[]
    assert.equal(event?.detail, `bootstrap: ${json.detail}`)
    assert.equal(await statuses(gateway.testKey), '403')
    const env = { OSTIARY_CONFIG: gateway.configFile, OSTIARY_DATA_DIR: gateway.dataDirectory }
    const checked = await runCli(env, 'config', 'check')
    assert.deepEqual([checked.code, checked.stdout], [2, ''])
    assert.match(checked.stderr, /^own\.cedar:4: policy "own\.cedar#2": /)
    await reloadWith(gateway, null)
  })

  test('a link that leads nowhere drops no policy beside it, and what an editor leaves there stops no reload', async () => {
    await reloadWith(gateway, NOBODY)
    symlinkSync('me@host.1234:1', join(gateway.folder, 'policies', '.#own.cedar'))
    assert.deepEqual((await gateway.ostiary.reload('test')).changes, [])
    symlinkSync('gone', join(gateway.folder, 'policies', 'more.cedar'))
    await assert.rejects(gateway.ostiary.reload('test'), {
      code: 'config.invalid',
      detail: /more\.cedar cannot be read/,
    })
    assert.equal(await statuses(gateway.testKey), '403')
    await reloadWith(gateway, null)
  })

  test('what a body asks for decides each call anew, and stands in its event', async () => {
    await reloadWith(gateway, NO_IMAGES)
    const body = (content: unknown) => JSON.stringify({ model: 'sandbox', messages: [{ role: 'user', content }] })
    const image = body([{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }])
    for (let round = 0; round < 3; round++) {
      assert.equal((await callOnce(gateway.url, gateway.testKey)).status, 200)
      const refused = await callOnce(gateway.url, gateway.testKey, { body: image })
      assert.equal(refused.status, 403)
      const event = await gateway.event(refused.id)
      assert.deepEqual([event.policies, event.authorization], [['no-images'], { features: ['images'] }])
    }
    assert.deepEqual(await namesOfModels(gateway.url, gateway.testKey), ['sandbox'])
    await reloadWith(gateway, null)
  })

  test('a policy in shadow is recorded and changes nothing', async () => {
    await reloadWith(gateway, `@shadow ${NOBODY}`)
    const reply = await callOnce(gateway.url, gateway.testKey)
    assert.equal(reply.status, 200)
    const { policies, shadow } = await gateway.event(reply.id)
    assert.deepEqual([policies, shadow], [undefined, { allowed: false, policies: ['nobody'] }])
    assert.deepEqual(await reloadWith(gateway, NOBODY), ['policies: forbid "nobody" is enforced now'])
    assert.deepEqual(await reloadWith(gateway, null), ['policies: loosened: removed forbid "nobody"'])
  })

  test('a key that changes is decided anew by every worker within the bound of revocation', async () => {
    await reloadWith(
      gateway,
      '@id("only-chat") forbid (principal, action, resource) when { context.scopes.contains("embeddings:create") };',
    )
    const { keys } = gateway.ostiary
    const narrow = { scopes: ['chat:create'] }
    const { record, secret } = await keys.mint({ name: 'k', environment: 'test', ...narrow }, internalActor('test'))
    const key = secret.reveal()
    assert.equal(await statuses(key), '200')
    const event = await gateway.event((await callOnce(gateway.url, key)).id)
    assert.deepEqual([event.policies, event.authorization], [undefined, narrow])
    const changedAt = performance.now()
    await keys.update(record.id, { scopes: ['chat:create', 'embeddings:create'] }, internalActor('test'))
    await until('refusals by all workers', async () => (await statuses(key)) === '403')
    assert.ok(performance.now() - changedAt < REVOCATION_BOUND_MS)
    await keys.update(record.id, narrow, internalActor('test'))
    await until('answers by all workers', async () => (await statuses(key)) === '200')
    await reloadWith(gateway, null)
  })

  test('a key that gets and loses a role is decided anew by every worker', async () => {
    const { keys } = gateway.ostiary
    const by = internalActor('test')
    const { record, secret } = await keys.mint({ name: 'r', environment: 'test', roles: ['viewer'] }, by)
    const key = secret.reveal()
    for (const [roles, status] of [
      [['viewer'], '403'],
      [['viewer', 'developer'], '200'],
      [['developer', 'auditor'], '403'],
      [null, '200'],
    ] as const) {
      await keys.update(record.id, { roles }, by)
      await until(`${status} of all workers`, async () => (await statuses(key)) === status)
    }
  })

  test('a call that runs keeps the policies that it began with', async () => {
    const calls = Array.from({ length: 20 }, () => callOnce(gateway.url, gateway.testKey))
    const reload = reloadWith(gateway, NOBODY)
    for (const { status } of await Promise.all(calls)) assert.ok(status === 200 || status === 403)
    await reload
    assert.equal(await statuses(gateway.testKey), '403')
    await reloadWith(gateway, null)
  })

  test('a policy that cannot be evaluated denies, and its event says why', async () => {
    await reloadWith(
      gateway,
      '@id("late") forbid (principal, action, resource) when { context.time.toTime() < duration("0ms") && (context.time.toTime().toMilliseconds() + 9007199254740991) * 9007199254740991 > 0 };',
    )
    assert.equal((await callOnce(gateway.url, gateway.testKey)).status, 200, 'what is not reached does not fail')
    await reloadWith(
      gateway,
      '@id("late") forbid (principal, action, resource) when { (context.time.toTime().toMilliseconds() + 9007199254740991) * 9007199254740991 > 0 };',
    )
    const refused = await callOnce(gateway.url, gateway.testKey)
    assert.equal(refused.status, 403)
    const event = await gateway.event(refused.id)
    assert.deepEqual([event.reason, event.policies], ['policy_error', []])
    assert.match(event.policyError ?? '', /late.*overflow/)
    await reloadWith(gateway, null)
  })
})

describe('roles of tokens', () => {
  let issuer: TokenIssuer
  let gateway: Gateway
  before(async () => {
    issuer = await startTokenIssuer()
    const grants = ['viewer', 'developer', 'auditor', 'writer'].map(
      role => `{ when: { groups: ${role} }, roles: [${role}] }`,
    )
    const yaml = issuer.yaml().replace('[{ scopes: [chat:create] }]', `[${grants.join(', ')}]`)
    gateway = await startGateway()
    writeFileSync(gateway.configFile, `issuers:\n  company: ${yaml}`)
    await reloadWith(
      gateway,
      '@id("writers") permit (principal in Ostiary::Role::"writer", action == Ostiary::Action::"openai.chat", resource);',
    )
  })
  after(async () => {
    await gateway[Symbol.asyncDispose]()
    await issuer[Symbol.asyncDispose]()
  })

  for (const [groups, status, policies] of [
    [[], 403, undefined],
    [['viewer'], 403, []],
    [['developer'], 200, ['ostiary.developer']],
    [['writer'], 200, ['writers']],
    [['writer', 'developer'], 200, ['ostiary.developer', 'writers']],
    [['developer', 'auditor'], 403, ['ostiary.auditor-only-reads']],
  ] as const) {
    test(`a token of ${groups.join(' and ') || 'nobody'} is answered ${status}`, async () => {
      const token = await issuer.sign({ sub: 'ann', groups })
      const reply = await callOnce(gateway.url, token)
      assert.equal(reply.status, status, reply.text)
      const event = await gateway.event(reply.id)
      assert.deepEqual(event.policies, policies)
      assert.deepEqual(event.problem, status === 200 ? null : policies === undefined ? 'policy.scope' : 'policy.denied')
    })
  }
})

test('`config check` refuses groups of models that hold none, and a start does', async () => {
  await using gateway = await startGateway()
  writeFileSync(gateway.configFile, 'policies: { modelGroups: { cheap: [gpt-*], free: [sandbox] } }\n')
  const env = { OSTIARY_CONFIG: gateway.configFile, OSTIARY_DATA_DIR: gateway.dataDirectory }
  const checked = await runCli(env, 'config', 'check')
  assert.deepEqual(checked, {
    code: 2,
    stdout: '',
    stderr:
      'policies.modelGroups.cheap: gpt-* fits no model that is configured\n' +
      'policies.modelGroups.cheap: no policy is about it\npolicies.modelGroups.free: no policy is about it\n',
  })
  const folder = { yaml: 'policies: { modelGroups: { cheap: [gpt-*] } }\n' }
  await assert.rejects(startGateway(folder), { code: 'config.invalid', detail: /policies\.modelGroups\.cheap/ })
})
