import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { Secret } from '#core/secret.ts'
import { openStream } from '#secrets/sealed-stream.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { callOnce, cliEnvOf, createDeployment, type Deployment, runCliWith, startLoad } from '../support/process.ts'
import { sendJson, startProvider } from '../support/provider.ts'

const PASSPHRASE = 'correct horse battery staple'
const KEYS = ['deployment-secret', 'identity-keys', 'key-encryption-key', 'pepper']

function assertHolds(stdout: string, names: readonly string[]): void {
  const held = / holds (.*)\.\n$/.exec(stdout)?.[1]?.split(', ') ?? []
  assert.deepEqual(
    names.filter(name => !held.includes(name)),
    [],
    stdout,
  )
  for (const name of ['bootstrap-token', 'lock', 'lock-journal', 'cache']) assert.ok(!held.includes(name), name)
}

test('a backup taken under load brings keys and secrets back in another place', async () => {
  await using provider = await startProvider(({ headers }, res) => sendJson(res, 200, { used: headers.authorization }))
  const yaml = `providers: { up: { format: openai, baseUrl: '${provider.url}', credential: 'secret:up' } }\nmodels: { m: { provider: up } }\n`
  using copy = createDeployment(yaml)
  const file = join(copy.folder, 'backup.bin')
  let key: string
  {
    await using gateway = await startGateway()
    key = await gateway.liveKey()
    await runCliWith(cliEnvOf(gateway), 'stored-credential', 'secrets', 'set', 'up')
    await runCliWith(cliEnvOf(gateway), '', 'secrets', 'rewrap')
    await using load = startLoad(gateway.url, gateway.testKey, 4)
    const { code, stdout, stderr } = await runCliWith(cliEnvOf(gateway), `${PASSPHRASE}\n`, 'backup', file)
    assert.deepEqual([code, stderr], [0, ''])
    assertHolds(stdout, ['ostiary.db', ...KEYS])
    await load.stop()
    assert.deepEqual(Object.keys(load.statuses()), ['200'], 'no call noticed')
    const left = readdirSync(gateway.dataDirectory).filter(name => name.startsWith('backup'))
    assert.deepEqual(left, [], 'no snapshot is left')
  }
  if (process.platform !== 'win32') assert.equal(statSync(file).mode & 0o777, 0o600)

  const restored = await runCliWith(copy.env, PASSPHRASE, 'restore', file)
  assert.deepEqual([restored.code, restored.stderr], [0, ''])
  await using gateway = await startGateway({ folder: copy.folder })
  const { status, text } = await callOnce(gateway.url, key, { body: '{"model":"m","messages":[]}' })
  assert.deepEqual([status, JSON.parse(text).used], [200, 'Bearer stored-credential'])
})

describe('a backup', () => {
  let gateway: Gateway
  let folder: Deployment
  let file: string
  before(async () => {
    gateway = await startGateway()
    folder = createDeployment()
    file = join(folder.folder, 'backup.bin')
    await runCliWith(cliEnvOf(gateway), 'a-credential', 'secrets', 'set', 'up')
    assert.equal((await runCliWith(cliEnvOf(gateway), PASSPHRASE, 'backup', file)).code, 0)
  })
  after(async () => {
    await gateway[Symbol.asyncDispose]()
    folder[Symbol.dispose]()
  })

  const restoreInto = async (path: string, passphrase = PASSPHRASE) => {
    using target = createDeployment()
    const result = await runCliWith(target.env, passphrase, 'restore', path)
    const left = readdirSync(target.dataDirectory)
    return { ...result, left: left.filter(name => !name.startsWith('lock')) }
  }

  test('holds a database that is whole, and no free pages', async () => {
    using target = createDeployment()
    await runCliWith(target.env, PASSPHRASE, 'restore', file)
    using database = new DatabaseSync(join(target.dataDirectory, 'ostiary.db'))
    assert.deepEqual({ ...database.prepare('pragma integrity_check').get() }, { integrity_check: 'ok' })
    assert.deepEqual({ ...database.prepare('pragma freelist_count').get() }, { freelist_count: 0 })
    for (const name of KEYS) {
      assert.deepEqual(readFileSync(join(target.dataDirectory, name)), readFileSync(join(gateway.dataDirectory, name)))
    }
  })

  test('does not open under another passphrase, and nothing is left behind', async () => {
    const { code, stderr, left } = await restoreInto(file, `${PASSPHRASE}!`)
    assert.deepEqual([code, left], [1, []])
    assert.match(stderr, /\(backup\.unreadable\)\nThe passphrase is another one, or the file was changed\.\n/)
  })

  test('is refused whole where it is cut off or a bit of it is flipped', async () => {
    const bytes = readFileSync(file)
    const broken = join(folder.folder, 'broken.bin')
    const forms = [bytes.subarray(0, 20), bytes.subarray(0, bytes.length - 1), bytes.subarray(0, 33 + 65_552)]
    for (const at of [40, bytes.length >> 1, bytes.length - 1]) {
      const flipped = Buffer.from(bytes)
      flipped[at] = (flipped[at] as number) ^ 4
      forms.push(flipped)
    }
    for (const form of forms) {
      writeFileSync(broken, form)
      const { code, stderr, left } = await restoreInto(broken)
      assert.deepEqual([code, left], [1, []])
      assert.match(stderr, /\(backup\.unreadable\)/)
    }
  })

  test('is restored into an empty directory only', async () => {
    using target = createDeployment()
    mkdirSync(target.dataDirectory)
    writeFileSync(join(target.dataDirectory, 'anything'), 'mine')
    const { code, stderr } = await runCliWith(target.env, PASSPHRASE, 'restore', file)
    assert.equal(code, 1)
    assert.match(stderr, /\(backup\.not_possible\)\n.* is not empty/)
    assert.deepEqual(readdirSync(target.dataDirectory), ['anything'])
    const running = await runCliWith(cliEnvOf(gateway), PASSPHRASE, 'restore', file)
    assert.equal(running.code, 1)
  })

  test('never replaces a file, and needs a passphrase that is worth the name', async () => {
    const before = readFileSync(file)
    const again = await runCliWith(cliEnvOf(gateway), PASSPHRASE, 'backup', file)
    assert.equal(again.code, 1)
    assert.match(again.stderr, /exists already/)
    assert.deepEqual(readFileSync(file), before)
    for (const input of ['', 'short\n']) {
      const { code, stderr } = await runCliWith(cliEnvOf(gateway), input, 'backup', join(folder.folder, 'other.bin'))
      assert.equal(code, 2)
      assert.match(stderr, /fewer than 12 characters/)
    }
    assert.equal((await runCliWith(cliEnvOf(gateway), PASSPHRASE, 'backup')).code, 2)
    assert.equal((await runCliWith(cliEnvOf(gateway), PASSPHRASE, 'backup', 'a', 'b')).code, 2)
  })

  test('takes its passphrase from a file too', async () => {
    const passphraseFile = join(folder.folder, 'passphrase')
    writeFileSync(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 })
    const target = join(folder.folder, 'by-file.bin')
    assert.equal(
      (await runCliWith(cliEnvOf(gateway), '', 'backup', target, '--passphrase-file', passphraseFile)).code,
      0,
    )
    assert.equal((await restoreInto(target)).code, 0)
  })

  test('of PostgreSQL is pg_dump’s, and says so; of its keys it is ours', async () => {
    const yaml = join(folder.folder, 'postgres.yaml')
    writeFileSync(yaml, 'store: { kind: postgres, url: env:DATABASE_URL }\n')
    const env = { ...cliEnvOf(gateway), OSTIARY_CONFIG: yaml }
    const target = join(folder.folder, 'keys.bin')
    const refused = await runCliWith(env, PASSPHRASE, 'backup', target)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /pg_dump.*--keys-only/)
    const { stdout } = await runCliWith(env, PASSPHRASE, 'backup', target, '--keys-only')
    assertHolds(stdout, KEYS)
    assert.doesNotMatch(stdout, /ostiary\.db/)
    const { left } = await restoreInto(target)
    assert.deepEqual(
      KEYS.filter(name => !left.includes(name)),
      [],
    )
  })

  test('holds no operator’s token', async () => {
    const chunks: Buffer[] = []
    for await (const chunk of openStream(Readable.from([readFileSync(file)]), new Secret(PASSPHRASE)))
      chunks.push(chunk)
    const content = Buffer.concat(chunks)
    assert.ok(content.includes('"pepper"'))
    assert.ok(!content.includes(readFileSync(join(gateway.dataDirectory, 'bootstrap-token'), 'utf8').trim()))
    assert.ok(!content.includes('a-credential'))
  })
})
