import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ask, until } from '../support/gateway.ts'
import {
  askAdmin,
  bootstrapToken,
  callOnce,
  createDeployment,
  type Deployment,
  runProgram,
  startProcess,
} from '../support/process.ts'
import { configFor, sendJson, startProvider } from '../support/provider.ts'

const CREDENTIALS = ['the-first-credential-of-the-provider', 'the-credential-that-replaced-it']

test('no secret is in any file but its own, nor in what the program prints, beside the first key', async () => {
  await using provider = await startProvider((_request, res) => sendJson(res, 200, { ok: true }))
  const secretFile = 'credential'
  const { yaml } = configFor(provider)
  using deployment = createDeployment(yaml.replaceAll('env:KEY', `file:./${secretFile}`), {
    OSTIARY_LOG_LEVEL: 'trace',
    OSTIARY_WORKERS: '2',
  })
  writeFileSync(join(deployment.folder, secretFile), CREDENTIALS[0] as string, { mode: 0o600 })
  await using gateway = await startProcess(deployment)
  const admin = { adminUrl: gateway.adminUrl, dataDirectory: deployment.dataDirectory }
  const env = { OSTIARY_LISTENERS_ADMIN_URL: gateway.adminUrl }

  // A life: minted both ways, used well and badly, revoked, reloaded, with providers that fail.
  const minted = [gateway.testKey]
  for (let n = 0; n < 5; n++)
    minted.push(String((await askAdmin(admin, '/api/keys', { name: `key ${n}` })).json.secret))
  const cli = await runProgram(deployment, ['keys', 'create', '--name', 'by hand'], { env })
  minted.push(cli.stdout.trim())
  const [, live = '', revoked = ''] = minted
  const { keys } = (await askAdmin(admin, '/api/keys')).json as { keys: { id: string; name: string }[] }
  const id = keys.find(({ name }) => name === 'key 1')?.id
  assert.equal((await askAdmin(admin, `/api/keys/${id}/revoke`, {})).status, 200)
  await until('the revocation', async () => (await callOnce(gateway.url, revoked)).status === 401)
  const body = '{"model":"gpt","messages":[{"role":"user","content":"Hello"}]}'
  assert.equal((await callOnce(gateway.url, live, { body })).status, 200)
  assert.equal((await callOnce(gateway.url, gateway.testKey)).status, 200)
  for (const headers of [
    { 'x-api-key': revoked },
    { 'x-goog-api-key': `${live}x` },
    { 'x-ostiary-key': live, 'api-key': revoked },
  ]) {
    await ask(`${gateway.url}/v1/models`, { method: 'GET', headers })
  }
  await ask(`${gateway.url}/v1beta/models?key=${live}`, { method: 'GET' })
  await ask(`${gateway.adminUrl}/api/keys`, { method: 'GET', headers: { authorization: `Bearer ${live}` } })
  provider.answer = ({ socket }) => void socket.destroy()
  assert.equal((await callOnce(gateway.url, live, { body })).status, 502)
  writeFileSync(join(deployment.folder, secretFile), CREDENTIALS[1] as string)
  const { json } = await askAdmin(admin, '/api/config/reload', {})
  assert.ok((json.changes as string[]).includes('providers.openai.credential: the secret changed'), `${json.changes}`)
  writeFileSync(deployment.configFile, yaml.replaceAll('env:KEY', CREDENTIALS[1] as string))
  gateway.kill('SIGHUP')
  await until('the refusal in the log', () => gateway.stderr().includes('the last good one stays'))
  await until('the calls’ events in a file', () =>
    filesOf(deployment).some(({ bytes }) => bytes.includes('upstream_failed')),
  )

  const own = ['bootstrap-token', 'pepper', 'deployment-secret', 'key-encryption-key']
  const secrets = new Map<string, string>([
    ...minted.map((key, n) => [`key ${n}`, key] as const),
    ...CREDENTIALS.map((text, n) => [`credential ${n}`, text] as const),
    ...own.map(name => [name, readFileSync(join(deployment.dataDirectory, name), 'utf8').trim()] as const),
  ])
  assert.equal(secrets.get('bootstrap-token'), bootstrapToken(deployment.dataDirectory))
  assert.ok([...secrets.values()].every(text => text.length > 20) && secrets.size === 13)

  assert.deepEqual(findAll(deployment, secrets), own.map(name => `${name} in ${name}`).sort(), 'while it runs')
  // As the file system is when it dies: the log of SQLite stays behind.
  gateway.kill('SIGKILL')
  await gateway.exited
  assert.ok(statSync(join(deployment.dataDirectory, 'ostiary.db-wal')).size > 0)
  assert.deepEqual(findAll(deployment, secrets), own.map(name => `${name} in ${name}`).sort(), 'after its death')

  const printed = gateway.stdout().replaceAll(gateway.testKey, '') + gateway.stderr() + cli.stderr
  assert.match(gateway.stderr(), /"level":/, 'there is a log')
  assert.deepEqual(
    [...secrets].filter(([, text]) => printed.includes(text)).map(([name]) => name),
    [],
  )
})

const PASSPHRASE = 'the passphrase of the backup'
const STORED = Array.from({ length: 5 }, (_, n) => `stored-credential-number-${n}-of-the-vault`)
const SEALED = 'sealed-credential-of-the-configuration'

test('no secret of the vault is in any file, event, log, output or backup', async () => {
  await using provider = await startProvider(({ headers }, res) => {
    const refused = headers.authorization === `Bearer ${STORED[2]}`
    sendJson(res, refused ? 401 : 200, { ok: !refused })
  })
  using deployment = createDeployment('{}\n', { OSTIARY_LOG_LEVEL: 'trace', OSTIARY_WORKERS: '2' })
  const printed: string[] = []
  const tool = async (gateway: { readonly adminUrl: string }, input: string, ...args: string[]) => {
    const env = { OSTIARY_LISTENERS_ADMIN_URL: gateway.adminUrl }
    const { code, stdout, stderr } = await runProgram(deployment, args, { env, input })
    printed.push(stdout, stderr)
    return { code, stdout }
  }
  const sealed = (await tool({ adminUrl: '' }, SEALED, 'config', 'encrypt')).stdout.trim()
  const backups = ['one.bin', 'two.bin'].map(name => join(deployment.folder, name))
  const secrets = new Map<string, string>([...STORED, SEALED, PASSPHRASE].map(text => [text, text]))
  const own = ['bootstrap-token', 'pepper', 'deployment-secret', 'key-encryption-key']
  const noteKeys = () => {
    for (const name of readdirSync(deployment.dataDirectory).filter(name =>
      own.some(start => name.startsWith(start)),
    )) {
      secrets.set(name, readFileSync(join(deployment.dataDirectory, name), 'utf8').trim())
    }
  }
  const body = '{"model":"gpt","messages":[{"role":"user","content":"Hello"}]}'
  {
    await using gateway = await startProcess(deployment)
    const admin = { adminUrl: gateway.adminUrl, dataDirectory: deployment.dataDirectory }
    noteKeys()
    const first = { ...Object.fromEntries(secrets) }
    await tool(gateway, STORED[0] as string, 'secrets', 'set', 'up')
    await tool(gateway, STORED[4] as string, 'secrets', 'set', 'unused')
    const yaml = configFor(provider).yaml.replaceAll('env:KEY', 'secret:up')
    writeFileSync(deployment.configFile, yaml.replace('secret:up', sealed))
    assert.equal((await askAdmin(admin, '/api/config/reload', {})).status, 200)
    writeFileSync(deployment.configFile, yaml)
    assert.equal((await askAdmin(admin, '/api/config/reload', {})).status, 200)
    const minted = String((await askAdmin(admin, '/api/keys', { name: 'k' })).json.secret)
    secrets.set('minted', minted).set('first key', gateway.testKey)
    assert.equal((await callOnce(gateway.url, minted, { body })).status, 200)
    await tool(gateway, STORED[1] as string, 'secrets', 'rotate', 'up', '--grace', '0s')
    await tool(gateway, STORED[2] as string, 'secrets', 'rotate', 'up', '--grace', '1h')
    assert.equal((await callOnce(gateway.url, minted, { body })).status, 200, 'with the one before')
    // Errors of every kind, each with a secret at hand.
    await tool(gateway, `${STORED[3]} and more`, 'secrets', 'set', 'up')
    await tool(gateway, STORED[3] as string, 'secrets', 'set', '../up')
    await tool(gateway, STORED[3] as string, 'secrets', 'rotate', 'missing')
    await askAdmin(admin, '/api/secrets/up/rotate', { value: STORED[3], grace: -1, more: STORED[3] })
    await askAdmin(admin, '/api/secrets/up/rotate', { value: `${STORED[3]}\n`, grace: 1 })
    await askAdmin(admin, '/api/secrets/up/rotate', { value: [STORED[3]], grace: 1 })
    await tool(gateway, '', 'secrets', 'delete', 'up')
    writeFileSync(deployment.configFile, yaml.replaceAll('secret:up', STORED[2] as string))
    gateway.kill('SIGHUP')
    await until('the refusal in the log', () => gateway.stderr().includes('the last good one stays'))
    writeFileSync(deployment.configFile, yaml)
    await tool(gateway, PASSPHRASE, 'backup', backups[0] as string)
    await tool(gateway, '', 'secrets', 'rewrap')
    noteKeys()
    secrets.set('the first key-encryption-key', String(first['key-encryption-key']))
    await tool(gateway, '', 'secrets', 'list', '--json')
    await tool(gateway, PASSPHRASE, 'backup', backups[1] as string)
    await tool(gateway, `${PASSPHRASE}?`, 'restore', backups[1] as string)
    await until('the call in a file', () =>
      filesOf(deployment).some(({ bytes }) => bytes.includes('usedPreviousCredential')),
    )
    printed.push(gateway.stdout().replaceAll(gateway.testKey, ''), gateway.stderr())
    assert.match(gateway.stderr(), /"level":/)
    assert.deepEqual(findAll(deployment, secrets), own.map(name => `${name} in ${name}`).sort(), 'while it runs')
    gateway.kill('SIGKILL')
    await gateway.exited
  }
  assert.ok(secrets.size >= 14 && [...secrets.values()].every(text => text.length > 20))
  assert.deepEqual(findAll(deployment, secrets), own.map(name => `${name} in ${name}`).sort(), 'after its death')
  const outside = [...printed.map(text => Buffer.from(text)), ...backups.map(file => readFileSync(file))]
  assert.deepEqual(
    [...secrets].filter(([, text]) => outside.some(bytes => bytes.includes(text))).map(([name]) => name),
    [],
  )

  // What is restored is searched as well: there the credentials are still sealed, and the keys only in their files.
  using copy = createDeployment()
  const restored = await runProgram(copy, ['restore', backups[1] as string], { input: PASSPHRASE })
  assert.equal(restored.code, 0, restored.stderr)
  const found = [...secrets].flatMap(([secret, text]) =>
    filesOf(copy)
      .filter(({ bytes }) => bytes.includes(text))
      .map(({ name }) => `${secret} in ${name}`),
  )
  assert.deepEqual(
    found.sort(),
    own
      .slice(1)
      .map(name => `${name} in ${name}`)
      .sort(),
  )
})

function filesOf({ dataDirectory }: Deployment): { readonly name: string; readonly bytes: Buffer }[] {
  return readdirSync(dataDirectory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => ({ name: entry.name, bytes: readFileSync(join(entry.parentPath, entry.name)) }))
}

function findAll(deployment: Deployment, secrets: ReadonlyMap<string, string>): string[] {
  const files = filesOf(deployment)
  assert.ok(files.some(({ name }) => name === 'ostiary.db-wal'))
  return [...secrets]
    .flatMap(([secret, text]) =>
      files.filter(({ bytes }) => bytes.includes(text)).map(({ name }) => `${secret} in ${name}`),
    )
    .sort()
}
