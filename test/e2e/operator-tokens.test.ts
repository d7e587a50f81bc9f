import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import type { RefusalsEvent } from '#core/events.ts'
import { adminScopes } from '#core/operator.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { bootstrapToken, cliEnvOf, createDeployment, runCli, runProgram, startProcess } from '../support/process.ts'

const TOKEN = /^so_[0-9A-Za-z]{49}$/

function request(gateway: Gateway, token: string, path: string, body?: object, headers: Record<string, string> = {}) {
  return ask(gateway.adminUrl + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }), ...headers },
    body: body === undefined ? '' : JSON.stringify(body),
  })
}

describe('the first operator', () => {
  test('ends the bootstrap token for every operation, and for every later start', async () => {
    await using gateway = await startGateway()
    const env = cliEnvOf(gateway)
    const file = join(gateway.dataDirectory, 'bootstrap-token')
    const bootstrap = bootstrapToken(gateway.dataDirectory)
    assert.match(bootstrap, TOKEN)

    const created = await runCli(env, 'tokens', 'create', '--name', 'ada', '--scopes', 'all')
    assert.deepEqual([created.code, created.stdout.length], [0, 53], created.stderr)
    assert.match(
      created.stderr,
      /^tok_\w{26} · until .* UTC · shown this once\nThe bootstrap token has ended: .*OSTIARY_TOKEN/,
    )
    const token = created.stdout.trim()
    assert.match(token, TOKEN)

    assert.ok(!existsSync(file))
    for (const path of [
      '/api/tokens',
      '/api/keys',
      '/api/openapi.json',
      '/api/tokens/tok_00000000000000000000000000',
    ]) {
      const reply = await request(gateway, bootstrap, path)
      assert.deepEqual([reply.status, JSON.parse(reply.text).code], [401, 'admin.unauthorized'], path)
    }
    const without = await runCli(env, 'tokens', 'list')
    assert.deepEqual([without.code, without.stdout], [1, ''])
    assert.match(without.stderr, /cli\.no_token[\s\S]*OSTIARY_TOKEN/)
    const listed = await runCli({ ...env, OSTIARY_TOKEN: token }, 'tokens', 'list')
    assert.match(listed.stdout, /^ID .*\ntok_\w{26} {2}ada {3}active .* all .*\n$/)

    // Stopped, and somebody puts the old file back.
    await gateway.ostiary[Symbol.asyncDispose]()
    writeFileSync(file, `${bootstrap}\n`, { mode: 0o600 })
    await using later = await startGateway({ folder: gateway.folder })
    assert.ok(!existsSync(file))
    assert.equal((await request(later, bootstrap, '/api/keys')).status, 401)
    assert.equal((await request(later, token, '/api/keys')).status, 200)
  })

  test('is one, however many try at once', async () => {
    await using gateway = await startGateway()
    const bootstrap = bootstrapToken(gateway.dataDirectory)
    const all = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        request(gateway, bootstrap, '/api/tokens', { name: `${n}`, scopes: ['tokens:write'] }),
      ),
    )
    assert.deepEqual(all.map(({ status }) => status).sort(), [201, ...Array(11).fill(401)])
    assert.equal((await gateway.ostiary.store.tokens.list({ limit: 100 })).length, 1)
  })

  test('is not yet there with a token that may make no other', async () => {
    await using gateway = await startGateway()
    const env = cliEnvOf(gateway)
    const { code, stderr } = await runCli(env, 'tokens', 'create', '--name', 'ci', '--scopes', 'keys:read,keys:write')
    assert.deepEqual([code, /bootstrap/.test(stderr)], [0, false])
    assert.equal((await runCli(env, 'tokens', 'list')).code, 0)
  })
})

describe('an operator token', () => {
  let gateway: Gateway
  let root: string
  before(async () => {
    gateway = await startGateway()
    const reply = await request(gateway, bootstrapToken(gateway.dataDirectory), '/api/tokens', {
      name: 'root',
      scopes: adminScopes,
    })
    root = JSON.parse(reply.text).secret
  })
  after(() => gateway[Symbol.asyncDispose]())

  const cli = (token: string, ...args: string[]) => runCli({ ...cliEnvOf(gateway), OSTIARY_TOKEN: token }, ...args)
  const create = async (...args: string[]) => {
    const { code, stdout, stderr } = await cli(root, 'tokens', 'create', '--json', ...args)
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout) as { token: { id: string; status: string }; secret: string }
  }

  test('does what its scopes say and is told which one it lacks', async () => {
    const { secret } = await create('--name', 'reader', '--scopes', 'keys:read')
    assert.equal((await cli(secret, 'keys', 'list')).code, 0)
    const refused = await cli(secret, 'keys', 'create', '--name', 'x')
    assert.deepEqual([refused.code, refused.stdout], [1, ''])
    assert.match(refused.stderr, /admin\.forbidden[\s\S]*keys:write/)
    const reply = await request(gateway, secret, '/api/tokens')
    assert.match(String(reply.headers['www-authenticate']), /error="insufficient_scope", scope="tokens:read"/)
  })

  test('is shown and ended by its id', async () => {
    const { token, secret } = await create('--name', 'short', '--scopes', 'keys:read', '--expires', '1h')
    const shown = await cli(root, 'tokens', 'show', token.id)
    assert.match(shown.stdout, /^name {7}short$/m)
    assert.ok(!shown.stdout.includes(secret.slice(3)))
    assert.deepEqual(await cli(root, 'tokens', 'revoke', token.id), {
      code: 0,
      stdout: `${token.id} is revoked.\n`,
      stderr: '',
    })
    assert.equal((await cli(secret, 'keys', 'list')).code, 1)
    assert.equal(JSON.parse((await cli(root, 'tokens', 'show', token.id, '--json')).stdout).token.status, 'revoked')
  })

  test('is taken from a file that is its owner’s alone', { skip: process.platform === 'win32' }, async () => {
    const file = join(gateway.folder, 'token')
    writeFileSync(file, `${root}\n`, { mode: 0o600 })
    assert.equal((await runCli({ ...cliEnvOf(gateway), OSTIARY_TOKEN_FILE: file }, 'keys', 'list')).code, 0)
    const open = join(gateway.folder, 'open')
    writeFileSync(open, `${root}\n`, { mode: 0o644 })
    const refused = await runCli({ ...cliEnvOf(gateway), OSTIARY_TOKEN_FILE: open }, 'keys', 'list')
    assert.match(refused.stderr, /cli\.no_token[\s\S]*chmod 600/)
    assert.equal(refused.code, 1)
  })

  for (const [args, detail] of [
    [['create', '--scopes', 'all'], /--name is missing/],
    [['create', '--name', 'x'], /--scopes is missing/],
    [['create', '--name', 'x', '--scopes', 'keys:reed'], /--scopes keys:reed/],
    [['show'], /Name one token/],
    [['revoke', 'a', 'b'], /Name one token/],
    [['list', '--all'], /--all/],
  ] as const) {
    test(`tokens ${args.join(' ')} is wrong usage`, async () => {
      const { code, stdout, stderr } = await cli(root, 'tokens', ...args)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, detail)
    })
  }

  test('passes while its source guesses, whose guesses become slow, and events', async () => {
    const reader = await create('--name', 'reader', '--scopes', 'keys:read')
    assert.equal((await request(gateway, reader.secret, '/api/tokens')).status, 403)
    const guess = `so_${'A'.repeat(49)}`
    const guesses = await Promise.all(Array.from({ length: 40 }, () => request(gateway, guess, '/api/keys')))
    assert.deepEqual([...new Set(guesses.map(({ status }) => status))].sort(), [401, 429])
    const late = guesses.find(({ status }) => status === 429)
    assert.deepEqual(
      [JSON.parse(late?.text ?? '').code, late?.headers['retry-after']],
      ['admin.too_many_failures', '2'],
    )
    assert.equal((await request(gateway, root, '/api/keys')).status, 200)
    const events = await until('the guesses’ event', async () => {
      const found = (await gateway.ostiary.store.events.list({ limit: 100, type: 'refusals' })) as RefusalsEvent[]
      return found.some(({ reason }) => reason === 'checksum') && found
    })
    const counted = events.find(({ reason }) => reason === 'checksum')
    assert.deepEqual([counted?.problem, counted?.route, counted?.count], ['admin.unauthorized', 'admin.keysList', 40])
    assert.ok(!JSON.stringify(events).includes('AAAAAAAA'))
    assert.ok(events.some(({ reason, credential }) => reason === 'scope' && credential === reader.token.id))
  })

  test('is in no file of the data directory, nor is an answer that was kept for an idempotency key', async () => {
    const key = 'a-key-that-is-hard-to-guess'
    const body = { name: 'once', scopes: ['keys:read'] }
    const reply = await request(gateway, root, '/api/tokens', body, { 'idempotency-key': key })
    const { secret } = JSON.parse(reply.text)
    using database = new DatabaseSync(gateway.ostiary.dataDirectory.database, { readOnly: true })
    const { answer } = database.prepare('select answer from idempotency_keys').get() as { answer: string }
    assert.ok(answer.length > 100)
    for (const name of ['ostiary.db', 'ostiary.db-wal']) {
      const bytes = readFileSync(join(gateway.dataDirectory, name))
      for (const text of [root, secret, secret.slice(3, 30), key]) assert.ok(!bytes.includes(text), `${name}`)
    }
  })
})

describe('ostiary tokens reset', () => {
  test('helps where every token is lost, and waits for the gateway’s stop', async () => {
    using deployment = createDeployment()
    const gateway = await startProcess(deployment)
    const env = { OSTIARY_LISTENERS_ADMIN_URL: gateway.adminUrl }
    const created = await runProgram(deployment, ['tokens', 'create', '--name', 'ada', '--scopes', 'all'], { env })
    assert.equal(created.code, 0, created.stderr)
    const running = await runProgram(deployment, ['tokens', 'reset'])
    assert.deepEqual([running.code, running.stdout], [1, ''])
    assert.match(running.stderr, /start\.data_directory_in_use/)
    gateway.kill('SIGTERM')
    await gateway.exited

    const reset = await runProgram(deployment, ['tokens', 'reset', '--json'])
    assert.equal(reset.code, 0, reset.stderr)
    const { ended, bootstrap_token_file: file } = JSON.parse(reset.stdout)
    assert.deepEqual([ended.length, file], [1, join(deployment.dataDirectory, 'bootstrap-token')])
    await using again = await startProcess(deployment)
    const url = { OSTIARY_LISTENERS_ADMIN_URL: again.adminUrl }
    const refused = await runProgram(deployment, ['keys', 'list'], {
      env: { ...url, OSTIARY_TOKEN: created.stdout.trim() },
    })
    assert.match(refused.stderr, /admin\.unauthorized/)
    assert.equal((await runProgram(deployment, ['tokens', 'list', '--json'], { env: url })).code, 0)
  })

  test('makes no data directory where there is none', async () => {
    using deployment = createDeployment()
    const { code, stderr } = await runProgram(deployment, ['tokens', 'reset'])
    assert.equal(code, 1)
    assert.match(stderr, /start\.data_directory_unusable[\s\S]*does not exist/)
    assert.ok(!existsSync(deployment.dataDirectory))
  })
})
