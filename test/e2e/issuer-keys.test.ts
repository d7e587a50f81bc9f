import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { makeCertificate } from '../support/certificate.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { createDeployment, startProcess } from '../support/process.ts'
import {
  issuerYaml,
  makeSigningKey,
  type ScriptedIssuer,
  type SigningKey,
  sendJson,
  signToken,
  startIssuer,
} from '../support/scripted-issuer.ts'

/** Over a connection of its own, so that every worker has its share; the local address is the source. */
async function call(gateway: Pick<Gateway, 'url'>, token: string, localAddress = '127.0.0.1'): Promise<number> {
  const headers = { authorization: `Bearer ${token}` }
  return (await ask(`${gateway.url}/v1/models`, { method: 'GET', headers, localAddress })).status
}

/** Statuses of many calls at once, each with a token of its own. */
async function callAll(gateway: Gateway, issuer: ScriptedIssuer, key: SigningKey, times = 12): Promise<number[]> {
  const answers = await Promise.all(
    Array.from({ length: times }, async () => call(gateway, await signToken(issuer.issuer, key))),
  )
  return [...new Set(answers)].sort()
}

/** Keys of one issuer, fetched each second. */
const QUICK = 'jwks: { refreshSeconds: 1 }'

test('keys are discovered once for all workers, and a new one is fetched when its first tokens come', async () => {
  await using issuer = await startIssuer()
  const [first, second] = [makeSigningKey('one'), makeSigningKey('two')]
  issuer.keys = [first.jwk]
  await using gateway = await startGateway({ yaml: issuerYaml(issuer), workers: 2 })
  assert.deepEqual(await callAll(gateway, issuer, first), [200])
  assert.equal(issuer.fetches(), 1)
  issuer.keys = [first.jwk, second.jwk]
  assert.deepEqual(await callAll(gateway, issuer, second), [200])
  assert.deepEqual(await callAll(gateway, issuer, first), [200])
  assert.equal(issuer.fetches(), 2)
})

test('a key that is withdrawn is refused by every worker, also for tokens that they remember', async () => {
  await using issuer = await startIssuer()
  const [first, second] = [makeSigningKey('one'), makeSigningKey('two')]
  issuer.keys = [first.jwk, second.jwk]
  await using gateway = await startGateway({ yaml: issuerYaml(issuer, QUICK), workers: 2 })
  const remembered = await signToken(issuer.issuer, first)
  for (let n = 0; n < 12; n++) assert.equal(await call(gateway, remembered), 200)
  issuer.keys = [second.jwk]
  const fetched = issuer.fetches()
  await until('the next fetch', () => issuer.fetches() > fetched)
  await until('the refusal', async () => (await call(gateway, remembered)) === 401)
  for (let n = 0; n < 12; n++) assert.equal(await call(gateway, remembered), 401)
  assert.deepEqual(await callAll(gateway, issuer, second), [200])
})

/** What an issuer may do instead of publishing its keys. */
const troubles: Readonly<Record<string, (issuer: ScriptedIssuer) => Partial<ScriptedIssuer>>> = {
  'no keys': () => ({ keys: [] }),
  '500': () => ({ onKeys: (_req, res) => res.writeHead(500).end() }),
  'nothing, ever': () => ({ onKeys: () => {} }),
  'a drip without end': () => ({
    onKeys(_req, res) {
      const drip = setInterval(() => res.write(' '), 100)
      res.on('close', () => clearInterval(drip))
    },
  }),
  '10 MB': () => ({ onKeys: (_req, res) => sendJson(res, { keys: [], x: 'x'.repeat(10_000_000) }) }),
  'a redirect': () => ({ onKeys: (_req, res) => res.writeHead(302, { location: '/elsewhere' }).end() }),
  garbage: () => ({ onKeys: (_req, res) => res.end('<html>') }),
  'a broken connection': () => ({ onKeys: (_req, res) => res.destroy() }),
  'private keys only': ({ keys }) => ({ keys: keys.map(key => ({ ...key, d: 'AAAA' })) }),
  'metadata of another issuer': () => ({ metadata: { issuer: 'https://evil.example' } }),
  'keys elsewhere in plaintext': () => ({ metadata: { jwks_uri: 'http://198.51.100.1/keys' } }),
  'keys in a private network': () => ({ metadata: { jwks_uri: 'https://10.0.0.1/keys' } }),
}
describe('an issuer that answers', { concurrency: 3 }, () => {
  for (const [what, trouble] of Object.entries(troubles)) {
    test(`${what}: calls are answered 503 until it recovers, and keys that were had stay good`, async () => {
      await using sound = await startIssuer()
      await using broken = await startIssuer()
      const key = makeSigningKey('one')
      const recovered = { onKeys: null, onMetadata: null, metadata: {}, keys: [key.jwk] }
      for (const issuer of [sound, broken]) Object.assign(issuer, recovered)
      Object.assign(broken, trouble(broken))
      const other = issuerYaml(broken, QUICK).split('\n').slice(1).join('\n').replace('company', 'broken')
      await using gateway = await startGateway({ yaml: issuerYaml(sound, QUICK) + other, workers: 2 })
      assert.deepEqual(await callAll(gateway, sound, key), [200])
      assert.deepEqual(await callAll(gateway, broken, key, 4), [503])
      // The sound one has its trouble now.
      Object.assign(sound, trouble(sound))
      const { length } = sound.asked
      await until('the next fetch', () => sound.asked.length > length + 1)
      assert.deepEqual(await callAll(gateway, sound, key), [200])
      // And the broken one recovers.
      Object.assign(broken, recovered)
      await until('recovery', async () => (await call(gateway, await signToken(broken.issuer, key))) === 200, 30_000)
      assert.deepEqual(await callAll(gateway, broken, key), [200])
    })
  }
})

test('over TLS the issuer’s certificate must be good', async () => {
  using deployment = createDeployment()
  await using issuer = await startIssuer(makeCertificate(deployment.folder, 'localhost'))
  const key = makeSigningKey('one')
  issuer.keys = [key.jwk]
  writeFileSync(deployment.configFile, issuerYaml(issuer))
  {
    await using gateway = await startProcess(deployment)
    assert.equal(await call(gateway, await signToken(issuer.issuer, key)), 503)
    assert.deepEqual(issuer.asked, [])
  }
  const env = { NODE_EXTRA_CA_CERTS: join(deployment.folder, 'cert.pem') }
  await using gateway = await startProcess(deployment, { env })
  assert.equal(await call(gateway, await signToken(issuer.issuer, key)), 200)
})

test('keys rotate while discovery is down: those known stay good, the new one is taken from where keys were', async () => {
  await using issuer = await startIssuer()
  const [first, second] = [makeSigningKey('one'), makeSigningKey('two')]
  issuer.keys = [first.jwk]
  await using gateway = await startGateway({ yaml: issuerYaml(issuer, QUICK), workers: 2 })
  assert.deepEqual(await callAll(gateway, issuer, first), [200])
  issuer.onMetadata = (_req, res) => res.writeHead(503).end()
  issuer.keys = [second.jwk]
  await until('the new key', async () => (await call(gateway, await signToken(issuer.issuer, second))) === 200)
})

test('an outage: an unknown key is answered 503, a known one serves up to the bound, and then none', async () => {
  await using issuer = await startIssuer()
  const [first, second] = [makeSigningKey('one'), makeSigningKey('two')]
  issuer.keys = [first.jwk]
  const yaml = issuerYaml(issuer, 'jwks: { refreshSeconds: 1, maxStaleSeconds: 4 }')
  await using gateway = await startGateway({ yaml, workers: 2 })
  const remembered = await signToken(issuer.issuer, first)
  assert.equal(await call(gateway, remembered), 200)
  assert.deepEqual(await callAll(gateway, issuer, second, 4), [401])
  issuer.onKeys = (_req, res) => res.destroy()
  await until('503', async () => (await call(gateway, await signToken(issuer.issuer, second))) === 503)
  assert.equal(await call(gateway, remembered), 200)
  assert.deepEqual(await callAll(gateway, issuer, first), [200])
  await until('the bound', async () => (await call(gateway, remembered)) === 503, 15_000)
  assert.deepEqual(await callAll(gateway, issuer, first), [503])
  issuer.onKeys = null
  await until('recovery', async () => (await call(gateway, remembered)) === 200, 70_000)
})

test('a flood of unknown keys has no more fetches than configured, and a rotation meanwhile is honoured', async () => {
  await using issuer = await startIssuer()
  const [first, second] = [makeSigningKey('one'), makeSigningKey('two')]
  issuer.keys = [first.jwk]
  const yaml = issuerYaml(issuer, 'jwks: { refetchSeconds: 3, refetchBurst: 2 }')
  await using gateway = await startGateway({ yaml, workers: 2 })
  assert.deepEqual(await callAll(gateway, issuer, first), [200])
  const began = performance.now()
  const before = issuer.fetches()
  let flooding = true
  let refused = 0
  let untold = 0
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const flood = Array.from({ length: 8 }, async (_, line) => {
    for (let n = 0; flooding; n++) {
      const token = await signToken(issuer.issuer, first, {}, `made-up-${line}-${n}`)
      const headers = { authorization: `Bearer ${token}` }
      const { promise, resolve } = Promise.withResolvers<number>()
      request(`${gateway.url}/v1/models`, { headers, agent, localAddress: '127.0.0.2' }, res => {
        res.resume().on('close', () => resolve(res.statusCode ?? 0))
      }).end()
      const status = await promise
      // 503 once where its own share is back before that of the issuer.
      if (status === 503) untold++
      else assert.equal(status, 401)
      refused++
    }
  })
  await until('the flood', () => refused > 50)
  // Tokens of the key that is known pass, from the source that floods too.
  assert.equal(await call(gateway, await signToken(issuer.issuer, first), '127.0.0.2'), 200)
  // Whoever comes from elsewhere with a key that is new has it fetched at once,
  issuer.keys = [first.jwk, second.jwk]
  assert.equal(await call(gateway, await signToken(issuer.issuer, second), '127.0.0.3'), 200)
  // and then it is good for the source that floods, as for all.
  assert.equal(await call(gateway, await signToken(issuer.issuer, second), '127.0.0.2'), 200)
  // The flood goes on for longer than the budget needs to refill.
  await until('some seconds', () => performance.now() - began > 4000)
  flooding = false
  await Promise.all(flood)
  agent.destroy()
  const seconds = (performance.now() - began) / 1000
  // Of each worker.
  assert.ok(untold <= 2 * Math.ceil(seconds / 3), `${untold} of ${refused} refused by 503`)
  const fetches = issuer.fetches() - before
  assert.ok(fetches <= 2 + Math.ceil(seconds / 3), `${fetches} fetches in ${seconds} s, ${refused} refused`)
})

describe('a reload', () => {
  test('changes, adds and removes issuers on every worker at once, also those that were replaced', async () => {
    await using two = await startTwo()
    const [before, after] = two
    const [old, anew] = [makeSigningKey('one'), makeSigningKey('one')]
    before.keys = [old.jwk]
    after.keys = [anew.jwk]
    await using gateway = await startGateway({ yaml: issuerYaml(before), workers: 2 })
    assert.deepEqual(await callAll(gateway, before, old), [200])
    // A worker that starts later knows what the others do.
    const [worker] = gateway.ostiary.supervisor.workers
    await worker?.terminate()
    await until('two workers', () => gateway.ostiary.supervisor.workers.length === 2)
    assert.deepEqual(await callAll(gateway, before, old), [200])
    assert.equal(before.fetches(), 1)

    writeFileSync(gateway.configFile, issuerYaml(after))
    await gateway.ostiary.reload('test')
    assert.deepEqual(await callAll(gateway, after, anew), [200])
    assert.deepEqual(await callAll(gateway, before, old), [401])
    // Under the same name and kid, but signed by the key of the issuer that was.
    assert.equal(await call(gateway, await signToken(after.issuer, old)), 401)

    writeFileSync(gateway.configFile, '{}\n')
    await gateway.ostiary.reload('test')
    assert.deepEqual(await callAll(gateway, after, anew), [401])
  })

  test('fetches keys anew: those of a provider that was rebuilt with the same kid are taken, the old ones no more', async () => {
    await using issuer = await startIssuer()
    const [old, anew] = [makeSigningKey('one'), makeSigningKey('one')]
    issuer.keys = [old.jwk]
    await using gateway = await startGateway({ yaml: issuerYaml(issuer), workers: 2 })
    assert.deepEqual(await callAll(gateway, issuer, old), [200])
    issuer.keys = [anew.jwk]
    assert.deepEqual(await callAll(gateway, issuer, anew, 4), [401])
    const fetches = issuer.fetches()
    await gateway.ostiary.reload('test')
    await until('the new key', async () => (await call(gateway, await signToken(issuer.issuer, anew))) === 200)
    await until('every worker', async () => (await callAll(gateway, issuer, old)).join() === '401')
    assert.deepEqual(await callAll(gateway, issuer, anew), [200])
    assert.equal(issuer.fetches(), fetches + 1)
  })

  test('with other bounds keeps the keys of an issuer that is away', async () => {
    await using issuer = await startIssuer()
    const key = makeSigningKey('one')
    issuer.keys = [key.jwk]
    await using gateway = await startGateway({ yaml: issuerYaml(issuer), workers: 2 })
    assert.deepEqual(await callAll(gateway, issuer, key), [200])
    issuer.onMetadata = issuer.onKeys = (_req, res) => res.destroy()
    writeFileSync(gateway.configFile, issuerYaml(issuer, 'jwks: { refreshSeconds: 60 }'))
    await gateway.ostiary.reload('test')
    assert.deepEqual(await callAll(gateway, issuer, key), [200])
  })

  test('is not undone by what was asked of the configuration before', async () => {
    await using issuer = await startIssuer()
    const [first, second] = [makeSigningKey('one'), makeSigningKey('two')]
    issuer.keys = [first.jwk, second.jwk]
    await using gateway = await startGateway({ yaml: issuerYaml(issuer), workers: 1 })
    assert.deepEqual(await callAll(gateway, issuer, first, 2), [200])
    const { promise, resolve: answerSlow } = Promise.withResolvers<void>()
    let isAsked = false
    issuer.onKeys = (_req, res) => {
      isAsked = true
      void promise.then(() => sendJson(res, { keys: [first.jwk, second.jwk] }))
    }
    const unknown = call(gateway, await signToken(issuer.issuer, first, {}, 'made-up'))
    await until('the fetch', () => isAsked)
    Object.assign(issuer, { onKeys: null, keys: [second.jwk] })
    writeFileSync(gateway.configFile, issuerYaml(issuer, 'jwks: { refreshSeconds: 60 }'))
    await gateway.ostiary.reload('test')
    await until('the withdrawal', async () => (await call(gateway, await signToken(issuer.issuer, first))) === 401)
    answerSlow()
    assert.equal(await unknown, 401)
    assert.equal(await call(gateway, await signToken(issuer.issuer, first)), 401)
    assert.equal(await call(gateway, await signToken(issuer.issuer, second)), 200)
  })

  test('reads the file of keys anew, or changes nothing where it holds none', async () => {
    await using issuer = await startIssuer()
    const [first, second] = [makeSigningKey('one'), makeSigningKey('two')]
    await using gateway = await startGateway({ workers: 2 })
    const file = join(gateway.folder, 'keys.json')
    const write = (keys: readonly object[]) => writeFileSync(file, JSON.stringify({ keys }))
    write([first.jwk])
    writeFileSync(gateway.configFile, issuerYaml(issuer, 'jwksFile: keys.json'))
    await gateway.ostiary.reload('test')
    assert.deepEqual(await callAll(gateway, issuer, first), [200])
    write([second.jwk])
    assert.deepEqual(await callAll(gateway, issuer, second, 4), [401])
    await gateway.ostiary.reload('test')
    assert.deepEqual(await callAll(gateway, issuer, second), [200])
    assert.deepEqual(await callAll(gateway, issuer, first, 4), [401])
    write([])
    await assert.rejects(gateway.ostiary.reload('test'), {
      code: 'config.invalid',
      message: /company\.jwksFile: No key/,
    })
    assert.deepEqual(await callAll(gateway, issuer, second), [200])
    assert.deepEqual(issuer.asked, [])
  })
})

async function startTwo(): Promise<[ScriptedIssuer, ScriptedIssuer] & AsyncDisposable> {
  const two: [ScriptedIssuer, ScriptedIssuer] = [await startIssuer(), await startIssuer()]
  return Object.assign(two, {
    async [Symbol.asyncDispose]() {
      for (const issuer of two) await issuer[Symbol.asyncDispose]()
    },
  })
}
