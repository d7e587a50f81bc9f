import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import type { CallEvent, GatewayEvent } from '#core/events.ts'
import { type Gateway, startGateway, until } from '../support/gateway.ts'
import { askAdmin, callOnce, createDeployment, runCli, startLoad, startProcess } from '../support/process.ts'
import { OPERATOR_KEY, type Provider, sendJson, startProvider } from '../support/provider.ts'

const CHAT = '{"model":"m","messages":[]}'

let provider: Provider
before(async () => {
  provider = await startProvider()
})
after(() => provider[Symbol.asyncDispose]())

/** The model `m`, which the provider knows as `name`, and what else is given. */
const yamlOf = (name: string, more = '') =>
  `providers:\n  up: { format: openai, baseUrl: '${provider.url}', credential: env:KEY }\nmodels:\n  m: { provider: up, model: ${name} }\n${more}`

function start(workers = 1): Promise<Gateway> {
  provider.requests.splice(0)
  provider.answer = (request, res) => sendJson(res, 200, { model: JSON.parse(request.body.toString()).model })
  return startGateway({ workers, yaml: yamlOf('real-1'), env: { KEY: OPERATOR_KEY } })
}

async function gatewayEvents({ ostiary }: Gateway, type: GatewayEvent['type']): Promise<GatewayEvent[]> {
  return (await ostiary.store.events.list({ limit: 1000, type })) as GatewayEvent[]
}

/** What the model `m` is for new calls. */
async function modelNow(gateway: Gateway, key: string): Promise<string> {
  return JSON.parse((await callOnce(gateway.url, key, { body: CHAT })).text).model
}

test('20 reloads under load: no call fails, and each is of one generation throughout', async () => {
  await using gateway = await start(2)
  const { ostiary, configFile } = gateway
  await using load = startLoad(gateway.url, await gateway.liveKey(), 8, { body: CHAT })
  await until('calls', () => (load.statuses()[200] ?? 0) > 50)
  for (let number = 2; number <= 21; number++) {
    writeFileSync(configFile, yamlOf(`real-${number}`))
    const { generation, changes } = await ostiary.reload('test')
    assert.deepEqual([generation, changes], [number, [`models.m.model: "real-${number - 1}" → "real-${number}"`]])
    const sofar = load.statuses()[200] ?? 0
    await until('calls on it', () => (load.statuses()[200] ?? 0) > sofar + 20)
  }
  await load.stop()
  assert.deepEqual(Object.keys(load.statuses()), ['200'])
  assert.deepEqual(
    load.lines.flatMap(({ errors }) => errors),
    [],
  )
  const answered = load.lines.flatMap(({ ids }) => ids).length
  const calls = (await until('the events', async () => {
    const found = (await ostiary.store.events.list({ limit: 200_000, type: 'call' })) as CallEvent[]
    return found.length >= answered && found
  })) as CallEvent[]
  assert.deepEqual(
    calls.filter(({ configGeneration, target }) => target?.model !== `real-${configGeneration}`),
    [],
    'a call saw two generations',
  )
  // Both workers changed over each time.
  const seen = new Set(calls.map(({ worker, configGeneration }) => `${worker}/${configGeneration}`))
  assert.ok(seen.has('1/21') && seen.has('2/21'), [...seen].join())
  const reloaded = await gatewayEvents(gateway, 'config.reloaded')
  assert.deepEqual(
    reloaded.map(({ configGeneration }) => configGeneration),
    Array.from({ length: 20 }, (_, n) => 21 - n),
  )
  assert.equal(reloaded[0]?.detail, 'test: models.m.model: "real-20" → "real-21"')
})

test('a call in flight keeps its generation, also where the new one has no such model or provider', async () => {
  await using gateway = await start()
  const key = await gateway.liveKey()
  const gate = Promise.withResolvers<void>()
  provider.answer = async (request, res) => {
    await gate.promise
    sendJson(res, 200, { model: JSON.parse(request.body.toString()).model })
  }
  const running = callOnce(gateway.url, key, { body: CHAT })
  await until('the call at the provider', () => provider.requests.length === 1)
  writeFileSync(gateway.configFile, 'models: {}\n')
  const { changes } = await gateway.ostiary.reload('test')
  assert.deepEqual([...changes].sort(), ['models.m: removed', 'providers.up: removed'])
  const refused = await callOnce(gateway.url, key, { body: CHAT })
  assert.deepEqual([refused.status, JSON.parse(refused.text).error.code], [404, 'model_not_found'])
  gate.resolve()
  const reply = await running
  assert.deepEqual([reply.status, JSON.parse(reply.text)], [200, { model: 'real-1' }])
  assert.equal((await gateway.event(reply.id)).configGeneration, 1)
  assert.equal((await gateway.event(refused.id)).configGeneration, 2)
})

describe('a reload that is refused', () => {
  let gateway: Gateway
  let key: string
  before(async () => {
    gateway = await start()
    key = await gateway.liveKey()
  })
  after(() => gateway[Symbol.asyncDispose]())

  const refusals = [
    ['a member that is unknown', () => yamlOf('real-2', 'wrokers: 2\n'), /wrokers: unknown member/],
    ['a file that is no YAML', () => 'models: [', /not valid YAML/],
    ['a secret that is missing', () => yamlOf('real-2').replace('env:KEY', 'env:NONE'), /NONE/],
    ['a model without its provider', () => yamlOf('real-2').replace('provider: up', 'provider: down'), /no provider/],
  ] as const
  for (const [name, yaml, why] of refusals) {
    test(`for ${name} changes nothing and is recorded`, async () => {
      writeFileSync(gateway.configFile, yaml())
      const before = await gatewayEvents(gateway, 'config.reload_refused')
      const { status, json } = await askAdmin(gateway, '/api/config/reload', {})
      assert.deepEqual([status, json.code], [400, 'config.invalid'])
      assert.match(String(json.detail), why)
      assert.equal(await modelNow(gateway, key), 'real-1')
      const [event, ...rest] = await gatewayEvents(gateway, 'config.reload_refused')
      assert.equal(rest.length, before.length)
      assert.deepEqual([event?.configGeneration, event?.detail], [1, `bootstrap: ${json.detail}`])
      assert.deepEqual(await gatewayEvents(gateway, 'config.reloaded'), [])
    })
  }

  test('because a change needs a restart names each such change, and applies none of the others', async () => {
    const more = 'keys: { prefix: zz, cacheSize: 7 }\nrequests: { maxBodyBytes: 2048 }\n'
    writeFileSync(gateway.configFile, yamlOf('real-2', more))
    const { status, json } = await askAdmin(gateway, '/api/config/reload', {})
    assert.deepEqual([status, json.code], [400, 'config.invalid'])
    for (const member of ['keys.prefix: "sk" → "zz"', 'keys.cacheSize: 10000 → 7', 'requests.maxBodyBytes: ']) {
      assert.ok(String(json.detail).includes(member), `${json.detail}`)
    }
    assert.doesNotMatch(String(json.detail), /models/)
    assert.equal(await modelNow(gateway, key), 'real-1')
  })

  test('is followed by one that is applied', async () => {
    writeFileSync(gateway.configFile, yamlOf('real-3'))
    const { status, json } = await askAdmin(gateway, '/api/config/reload', {})
    assert.deepEqual([status, json], [200, { generation: 2, changes: ['models.m.model: "real-1" → "real-3"'] }])
    assert.equal(await modelNow(gateway, key), 'real-3')
  })
})

test('`config reload` applies the file, names what was removed, and passes a refusal on', async () => {
  await using gateway = await start()
  const env = {
    KEY: OPERATOR_KEY,
    OSTIARY_CONFIG: gateway.configFile,
    OSTIARY_DATA_DIR: gateway.dataDirectory,
    OSTIARY_LISTENERS_ADMIN_URL: gateway.adminUrl,
  }
  assert.deepEqual(await runCli(env, 'config', 'reload'), {
    code: 0,
    stdout: 'Generation 2 is in effect.\nnothing changed\n',
    stderr: '',
  })
  writeFileSync(gateway.configFile, yamlOf('real-1').replace(/models:.*/s, 'models: {}\n'))
  assert.deepEqual(await runCli(env, 'config', 'reload'), {
    code: 0,
    stdout: 'Generation 3 is in effect.\nmodels.m: removed\n',
    stderr: '',
  })
  writeFileSync(gateway.configFile, 'keys: { cacheSize: 7 }\n')
  const refused = await runCli(env, 'config', 'reload')
  assert.deepEqual([refused.code, refused.stdout], [2, ''])
  assert.match(refused.stderr, /\(config\.invalid\)\nA restart is needed to change keys\.cacheSize: 10000 → 7\.\n/)
})

test('two reloads at once are done one after the other', async () => {
  await using gateway = await start(2)
  writeFileSync(gateway.configFile, yamlOf('real-2'))
  const done = await Promise.all(Array.from({ length: 5 }, () => askAdmin(gateway, '/api/config/reload', {})))
  assert.deepEqual(done.map(({ json }) => json.generation).sort(), [2, 3, 4, 5, 6])
  assert.deepEqual(done.map(({ json }) => (json.changes as string[]).length).sort(), [0, 0, 0, 0, 1])
})

test('SIGHUP applies the file, refuses a bad one and goes on', {
  skip: process.platform === 'win32' && 'Windows has no SIGHUP',
}, async () => {
  using deployment = createDeployment(yamlOf('real-1'), { KEY: OPERATOR_KEY, OSTIARY_WORKERS: '2' })
  provider.answer = (request, res) => sendJson(res, 200, { model: JSON.parse(request.body.toString()).model })
  await using gateway = await startProcess(deployment)
  const admin = { adminUrl: gateway.adminUrl, dataDirectory: deployment.dataDirectory }
  const { json } = await askAdmin(admin, '/api/keys', { name: 'live' })
  const call = async () => JSON.parse((await callOnce(gateway.url, String(json.secret), { body: CHAT })).text).model
  assert.equal(await call(), 'real-1')
  writeFileSync(deployment.configFile, yamlOf('real-2'))
  gateway.kill('SIGHUP')
  await until('the log to tell', () => gateway.stderr().includes('configuration applied'))
  assert.equal(await call(), 'real-2')
  writeFileSync(deployment.configFile, 'models: 7')
  gateway.kill('SIGHUP')
  await until('the log to tell', () => gateway.stderr().includes('the last good one stays'))
  assert.equal(await call(), 'real-2')
  assert.match(gateway.stderr(), /models: must be a mapping/)
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
})
