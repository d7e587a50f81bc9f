import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startOstiary } from '#app.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { startPostgres } from '../support/postgres.ts'
import { askAdmin, callOnce, cliEnvOf, createDeployment, runCli, runCliWith, startProcess } from '../support/process.ts'
import { type Provider, sendJson, startProvider } from '../support/provider.ts'

const CHAT = '{"model":"m","messages":[]}'

let provider: Provider
before(async () => {
  provider = await startProvider(({ headers }, res) => sendJson(res, 200, { used: headers.authorization }))
})
after(() => provider[Symbol.asyncDispose]())

const yamlOf = (reference: string) =>
  `providers:\n  up:\n    format: openai\n    baseUrl: '${provider.url}'\n    credential: '${reference}'\nmodels:\n  m: { provider: up }\n`

async function usedBy(gateway: { readonly url: string }, key: string): Promise<string> {
  return JSON.parse((await callOnce(gateway.url, key, { body: CHAT })).text).used
}

test('a value sealed before the first start is used by it', async () => {
  using deployment = createDeployment()
  const sealed = await runCliWith(deployment.env, 'sealed-credential\n', 'config', 'encrypt')
  assert.deepEqual([sealed.code, sealed.stderr], [0, ''])
  assert.match(sealed.stdout, /^enc:[0-9a-f]{12}\.[\w.-]+\n$/)
  writeFileSync(deployment.configFile, yamlOf(sealed.stdout.trim()))
  const checked = await runCli(deployment.env, 'config', 'check')
  assert.deepEqual([checked.code, checked.stderr], [0, ''])
  await using gateway = await startGateway({ folder: deployment.folder })
  assert.equal(await usedBy(gateway, await gateway.liveKey()), 'Bearer sealed-credential')
})

test('what is sealed is printed as JSON on demand, and an option that would say nothing is refused', async () => {
  using deployment = createDeployment()
  const sealed = await runCliWith(deployment.env, 'sealed-credential\n', 'config', 'encrypt', '--json')
  assert.deepEqual([sealed.code, sealed.stderr], [0, ''])
  assert.match(JSON.parse(sealed.stdout).reference, /^enc:[0-9a-f]{12}\.[\w.-]+$/)
  const refused = await runCliWith(deployment.env, 'sealed-credential\n', 'config', 'encrypt', '--config', 'x.yaml')
  assert.deepEqual([refused.code, refused.stdout], [2, ''])
  assert.match(refused.stderr, /takes no --config/)
})

test('PostgreSQL’s URL may be sealed', async () => {
  await using server = await startPostgres()
  const url = await server.createDatabase()
  using deployment = createDeployment()
  const sealed = (await runCliWith(deployment.env, url, 'config', 'encrypt')).stdout.trim()
  writeFileSync(deployment.configFile, `store: { kind: postgres, url: '${sealed}' }\n`)
  await using gateway = await startGateway({ folder: deployment.folder })
  assert.equal((await callOnce(gateway.url, gateway.testKey)).status, 200)
  // The same URL sealed once more is no change that needs a restart; another one is.
  const again = (await runCliWith(cliEnvOf(gateway), url, 'config', 'encrypt')).stdout.trim()
  assert.notEqual(again, sealed)
  writeFileSync(gateway.configFile, `store: { kind: postgres, url: '${again}' }\n`)
  assert.deepEqual((await gateway.ostiary.reload('test')).changes, ['store.url: sealed anew'])
  const other = (await runCliWith(cliEnvOf(gateway), `${url}x`, 'config', 'encrypt')).stdout.trim()
  writeFileSync(gateway.configFile, `store: { kind: postgres, url: '${other}' }\n`)
  await assert.rejects(gateway.ostiary.reload('test'), { code: 'config.invalid', message: /restart.*store\.url/ })
})

describe('a reference that leads nowhere is named with its line', () => {
  let gateway: Gateway
  let sealed: string
  before(async () => {
    gateway = await startGateway()
    sealed = (await runCliWith(cliEnvOf(gateway), 'x-credential', 'config', 'encrypt')).stdout.trim()
  })
  after(() => gateway[Symbol.asyncDispose]())

  const flip = (text: string) => text.slice(0, -9) + (text.at(-9) === 'A' ? 'B' : 'A') + text.slice(-8)
  const faults: Record<string, [() => string, RegExp]> = {
    'a name that is not in the vault': [
      () => 'secret:nothing',
      /yaml:5:5: providers\.up\.credential: secret:nothing is not in the vault; `ostiary secrets set nothing` puts it there$/,
    ],
    'a name that is none': [
      () => 'secret:../x',
      /yaml:5:5: providers\.up\.credential: must be a reference to a secret/,
    ],
    'a sealed value that was changed': [
      () => flip(sealed),
      /yaml:5:5: providers\.up\.credential: the sealed secret cannot be opened\. It was changed, or sealed under another key\.$/,
    ],
    'a sealed value that is not whole': [
      () => sealed.slice(0, 60),
      /yaml:5:5: providers\.up\.credential: must be a reference to a secret/,
    ],
    'a value sealed elsewhere': [
      () => sealed.replace(/:[0-9a-f]{12}/, ':000000000000'),
      /yaml:5:5: .*under the key-encryption key 000000000000, which is not here\.$/,
    ],
  }
  for (const [what, [reference, message]] of Object.entries(faults)) {
    test(`${what}, by a reload and by a start`, async () => {
      writeFileSync(gateway.configFile, yamlOf(reference()))
      await assert.rejects(gateway.ostiary.reload('test'), { code: 'config.invalid', message })
      using deployment = createDeployment(yamlOf(reference()))
      // Another data directory: what was sealed for this one does not open there either.
      await assert.rejects(startOstiary({ env: deployment.env }), {
        code: 'config.invalid',
        message: /yaml:5:5: providers\.up\.credential: /,
      })
    })
  }

  test('and the configuration before stays in effect', async () => {
    assert.equal((await callOnce(gateway.url, gateway.testKey)).status, 200)
  })
})

describe('re-wrapping', () => {
  test('keeps an old key that a sealed member of the configuration needs, and names the member', async () => {
    await using gateway = await startGateway()
    const env = cliEnvOf(gateway)
    const seal = async () => (await runCliWith(env, 'sealed-credential', 'config', 'encrypt')).stdout.trim()
    const keyFiles = () => readdirSync(gateway.dataDirectory).filter(name => name.startsWith('key-encryption-key'))
    writeFileSync(gateway.configFile, yamlOf(await seal()))
    await gateway.ostiary.reload('test')
    await runCliWith(env, 'other-credential', 'secrets', 'set', 'other')
    const first = await runCliWith(env, '', 'secrets', 'rewrap')
    assert.equal(first.code, 0)
    assert.match(
      first.stdout,
      /^1 data key was brought under [0-9a-f]{12}\.\nThe key-encryption key [0-9a-f]{12} stays: providers\.up\.credential is sealed under it\.\n/,
    )
    assert.equal(keyFiles().length, 2)
    const { changes } = await gateway.ostiary.reload('test')
    assert.deepEqual(changes, [], 'it is still readable')
    const again = JSON.parse((await runCliWith(env, '', 'secrets', 'rewrap', '--json')).stdout)
    assert.deepEqual([again.rewrapped, again.kept.length], [0, 1], 'no third key')
    writeFileSync(gateway.configFile, yamlOf(await seal()))
    assert.deepEqual((await gateway.ostiary.reload('test')).changes, ['providers.up.credential: sealed anew'])
    const last = JSON.parse((await runCliWith(env, '', 'secrets', 'rewrap', '--json')).stdout)
    assert.deepEqual([last.kek_id, last.removed, last.kept], [again.kek_id, [again.kept[0].kek_id], []])
    assert.deepEqual(keyFiles(), ['key-encryption-key'])
    assert.equal(await usedBy(gateway, await gateway.liveKey()), 'Bearer sealed-credential')
  })

  test('brings secrets under the key of the variable, which is written nowhere', async () => {
    using deployment = createDeployment()
    const key = Buffer.alloc(32, 'k').toString('base64url')
    {
      await using gateway = await startGateway({ folder: deployment.folder })
      await runCliWith(cliEnvOf(gateway), 'stored-credential', 'secrets', 'set', 'up')
    }
    const options = { folder: deployment.folder, env: { OSTIARY_KEY_ENCRYPTION_KEY: key }, yaml: yamlOf('secret:up') }
    {
      await using gateway = await startGateway(options)
      const { stdout } = await runCliWith({ ...cliEnvOf(gateway), ...options.env }, '', 'secrets', 'rewrap')
      assert.match(stdout, /^1 data key was brought under/)
      assert.equal(await usedBy(gateway, await gateway.liveKey()), 'Bearer stored-credential')
    }
    await assert.rejects(startGateway({ folder: deployment.folder }), {
      code: 'config.invalid',
      message: /which is not here/,
    })
    await using gateway = await startGateway(options)
    assert.equal(await usedBy(gateway, await gateway.liveKey()), 'Bearer stored-credential')
    for (const { name, parentPath } of readdirSync(gateway.dataDirectory, { withFileTypes: true, recursive: true })) {
      if (name.startsWith('ostiary.db')) assert.ok(!readFileSync(join(parentPath, name)).includes(key))
    }
  })

  test('that is killed in its middle is brought to its end by the next one', async () => {
    using deployment = createDeployment()
    const put = async (gateway: Parameters<typeof askAdmin>[0]) => {
      for (let n = 0; n < 250; n++)
        await runCliWith(
          { ...deployment.env, OSTIARY_LISTENERS_ADMIN_URL: gateway.adminUrl },
          `value-${n}`,
          'secrets',
          'set',
          `s${n}`,
        )
    }
    const keyFiles = () => readdirSync(deployment.dataDirectory).filter(name => name.startsWith('key-encryption-key'))
    {
      await using gateway = await startProcess(deployment)
      const admin = { adminUrl: gateway.adminUrl, dataDirectory: deployment.dataDirectory }
      await put(admin)
      const { json } = await askAdmin(admin, '/api/secrets/rewrap', {})
      assert.deepEqual([json.rewrapped, json.remaining], [100, 150])
      void askAdmin(admin, '/api/secrets/rewrap', {}).catch(() => {})
      gateway.kill('SIGKILL')
      await gateway.exited
    }
    assert.equal(keyFiles().length, 2)
    writeFileSync(deployment.configFile, yamlOf('secret:s249'))
    await using gateway = await startGateway({ folder: deployment.folder })
    const key = await gateway.liveKey()
    assert.equal(await usedBy(gateway, key), 'Bearer value-249')
    const { code, stdout, stderr } = await runCliWith(cliEnvOf(gateway), '', 'secrets', 'rewrap')
    assert.equal(code, 0, stderr)
    assert.match(
      stdout,
      /^(150|50) data keys were brought under [0-9a-f]{12}\.\nThe key-encryption key [0-9a-f]{12} is deleted\.\n$/,
    )
    assert.deepEqual(keyFiles(), ['key-encryption-key'])
    for (const name of ['s0', 's150', 's249']) {
      writeFileSync(gateway.configFile, yamlOf(`secret:${name}`))
      await gateway.ostiary.reload('test')
      assert.equal(await usedBy(gateway, key), `Bearer value-${name.slice(1)}`)
    }
  })
})
