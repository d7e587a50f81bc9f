import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { problemTypes } from '#core/problems.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { askAdmin, bootstrapToken, callOnce, createDeployment, runCli, runProgram } from '../support/process.ts'

const OSTIARY = resolve(import.meta.dirname, '../../scripts/ostiary.mjs')
const KEY = /^sk_(live|test)_[0-9A-Za-z]{42}$/

let gateway: Gateway
let env: Record<string, string>
before(async () => {
  gateway = await startGateway({ workers: 2 })
  env = {
    OSTIARY_CONFIG: gateway.configFile,
    OSTIARY_DATA_DIR: gateway.dataDirectory,
    OSTIARY_LISTENERS_ADMIN_URL: gateway.adminUrl,
  }
})
after(() => gateway[Symbol.asyncDispose]())

const cli = (...args: string[]) => runCli(env, ...args)

/** A failure says what by its code and what to do, on standard error alone. */
function assertFailed(
  finished: Awaited<ReturnType<typeof cli>>,
  exit: 1 | 2,
  code: keyof typeof problemTypes,
  detail: RegExp = /(?:)/,
): void {
  assert.deepEqual([finished.code, finished.stdout], [exit, ''], finished.stderr)
  const lines = finished.stderr.trimEnd().split('\n')
  assert.equal(lines[0], `${problemTypes[code].title} (${code})`)
  assert.equal(lines.at(-1), problemTypes[code].help)
  assert.match(lines.slice(1, -1).join('\n'), detail)
}

describe('ostiary', () => {
  const asked = [[], ['--help'], ['-h'], ['help']]
  for (const args of asked) {
    test(`${args.join(' ') || 'without a command'} lists the commands`, async () => {
      const { code, stdout, stderr } = await cli(...args)
      assert.deepEqual([code, stderr], [0, ''])
      assert.match(stdout, /^Usage: ostiary <command> \[options\]\n/)
      for (const command of ['start', 'keys', 'config']) assert.match(stdout, new RegExp(`^ {2}${command} +\\S`, 'm'))
    })
  }

  test('--version prints the version alone', async () => {
    const { code, stdout, stderr } = await cli('--version')
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
  })

  for (const command of ['kyes', '__proto__', 'toString', '--nope', '']) {
    test(`refuses the command ${JSON.stringify(command)} as wrong usage`, async () => {
      const { code, stdout, stderr } = await cli(command)
      assert.deepEqual([code, stdout], [2, ''])
      assert.ok(stderr.startsWith(`There is no command ${JSON.stringify(command)}.\n\nUsage: ostiary`), stderr)
    })
  }

  for (const args of [
    ['start', '--help'],
    ['start', '-h'],
    ['keys', '--help'],
    ['keys', '-h'],
    ['keys', 'create', '--help'],
    ['config', '--help'],
    ['config', 'check', '-h'],
  ]) {
    test(`${args.join(' ')} explains it with an example`, async () => {
      const { code, stdout, stderr } = await cli(...args)
      assert.deepEqual([code, stderr], [0, ''])
      assert.match(stdout, new RegExp(`^Usage: ostiary ${args[0]}[^]*\nExample: ostiary ${args[0]} `))
    })
  }

  for (const args of [
    ['keys'],
    ['keys', 'mint'],
    ['keys', '__proto__'],
    ['config'],
    ['config', 'nope'],
    ['config', 'show', '--nope'],
  ]) {
    test(`${args.join(' ')} is wrong usage and prints the help on standard error`, async () => {
      const { code, stdout, stderr } = await cli(...args)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, new RegExp(`^Usage: ostiary ${args[0]} `))
    })
  }

  for (const [args, detail] of [
    [['start', '--port', '1'], /--port/],
    [['start', 'now'], /now/],
    [['start', '--config'], /--config/],
    [['keys', 'create'], /--name is missing/],
    [['keys', 'create', '--name'], /--name/],
    [['keys', 'create', '--name', 'x', '--colour', 'red'], /--colour/],
    [['keys', 'create', '--name', 'my', 'app'], /app/],
    [['keys', 'create', '--name', 'x', '--expires', 'soon'], /--expires soon: write 30d/],
    [['keys', 'create', '--name', 'x', '--expires', '-1d'], /--expires/],
    [['keys', 'list', '--all'], /--all/],
    [['keys', 'list', 'key_1'], /key_1/],
    [['keys', 'revoke'], /Name one key/],
    [['keys', 'revoke', 'key_1', 'key_2'], /Name one key/],
  ] as const) {
    test(`${args.join(' ')} is wrong usage`, async () => {
      const before = (await gateway.ostiary.store.keys.list({ limit: 1000 })).length
      assertFailed(await cli(...args), 2, 'cli.usage', detail)
      assert.equal((await gateway.ostiary.store.keys.list({ limit: 1000 })).length, before)
    })
  }
})

describe('ostiary keys', () => {
  test('create prints the key alone on standard output, and it works; list shows it without; revoke ends it', async () => {
    const created = await cli('keys', 'create', '--name', 'till 7', '--env', 'test', '--expires', '12h')
    assert.equal(created.code, 0)
    const secret = created.stdout.trimEnd()
    assert.equal(created.stdout, `${secret}\n`)
    assert.match(secret, KEY)
    const [, id = ''] =
      /^(key_\w{26}) · test · until \d{4}-\d\d-\d\d \d\d:\d\d UTC · shown this once\n$/.exec(created.stderr) ?? []
    assert.notEqual(id, '', created.stderr)
    assert.equal((await callOnce(gateway.url, secret)).status, 200)

    const listed = await cli('keys', 'list')
    assert.deepEqual([listed.code, listed.stderr], [0, ''])
    const row = listed.stdout.split('\n').find(line => line.startsWith(id))
    assert.match(row ?? '', /till 7 {2}.*sk_test_….{4} {2}- +active {2}.*until/)
    assert.ok(row?.includes(secret.slice(-4)))
    assert.ok(!listed.stdout.includes(secret.slice(8, 30)), 'no part of the secret')

    const revoked = await cli('keys', 'revoke', id)
    assert.deepEqual(revoked, { code: 0, stdout: `${id} is revoked.\n`, stderr: '' })
    await until('the refusal', async () => (await callOnce(gateway.url, secret)).status === 401)
    assert.match((await cli('keys', 'list')).stdout, new RegExp(`^${id} .* revoked `, 'm'))
    assert.equal((await cli('keys', 'revoke', id)).code, 0, 'a second time changes nothing')
  })

  test('--json prints what the admin API answered, and nothing else', async () => {
    const created = await cli('keys', 'create', '--name', 'as JSON', '--json')
    assert.deepEqual([created.code, created.stderr], [0, ''])
    const { key, secret } = JSON.parse(created.stdout)
    assert.match(secret, KEY)
    assert.deepEqual(Object.keys(key), [
      'id',
      'project',
      'name',
      'environment',
      'hint',
      'status',
      'roles',
      'scopes',
      'models',
      'operations',
      'cidrs',
      'denied_cidrs',
      'limits',
      'budgets',
      'binding',
      'metadata',
      'secrets',
      'version',
      'created_at',
      'created_by',
      'updated_at',
      'expires_at',
      'disabled_at',
      'revoked_at',
      'last_used_at',
      'last_used_from',
      'leak_reported_at',
    ])
    assert.deepEqual([key.name, key.environment, key.status, key.revoked_at], ['as JSON', 'live', 'active', null])
    assert.equal(Date.parse(key.expires_at) - Date.parse(key.created_at), 90 * 86_400_000, 'the default lifetime')
    const listed = JSON.parse((await cli('keys', 'list', '--json')).stdout)
    assert.deepEqual(listed[0], key)
    assert.ok(!JSON.stringify(listed).includes(secret))
    const { key: revoked } = JSON.parse((await cli('keys', 'revoke', key.id, '--json')).stdout)
    assert.deepEqual([revoked.id, revoked.status], [key.id, 'revoked'])
  })

  test('list goes on over pages', async () => {
    // All in one transaction: a thousand of them would take long on a slow disk.
    using database = new DatabaseSync(gateway.ostiary.dataDirectory.database, { timeout: 5000 })
    database.exec(`
      with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 1005)
      insert into keys (id, project_id, name, environment, metadata, version, created_at, created_by, updated_at)
        select 'key_' || printf('%026d', n), 'proj_default', n, 'test', '{}', 1, n, 'test', n from numbers`)
    const all = await gateway.ostiary.store.keys.list({ limit: 10_000 })
    const listed = JSON.parse((await cli('keys', 'list', '--json')).stdout) as { id: string }[]
    assert.deepEqual(
      listed.map(({ id }) => id),
      all.map(({ id }) => id),
    )
  })

  test('passes on what the gateway refuses, with exit code 1', async () => {
    const id = `key_${'0'.repeat(26)}`
    assertFailed(await cli('keys', 'revoke', id), 1, 'key.not_found', new RegExp(id))
    assertFailed(await cli('keys', 'revoke', '../config/reload'), 1, 'admin.invalid_input')
    assertFailed(await cli('keys', 'create', '--name', 'x', '--env', 'prod'), 1, 'admin.invalid_input', /environment/)
    assertFailed(await cli('keys', 'create', '--name', ' '), 1, 'admin.invalid_input', /name/)
    assertFailed(
      await cli('keys', 'create', '--name', 'x', '--expires', 'never'),
      1,
      'key.lifetime_exceeded',
      /90 days/,
    )
    assertFailed(await cli('keys', 'create', '--name', 'x', '--expires', '91d'), 1, 'key.lifetime_exceeded', /90 days/)
  })

  test('says where it looked when no gateway answers there', async () => {
    const gone = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => gone.once('listening', resolve))
    const { port } = gone.address() as AddressInfo
    await new Promise(resolve => gone.close(resolve))
    const elsewhere = { ...env, OSTIARY_LISTENERS_ADMIN_URL: `http://127.0.0.1:${port}` }
    assertFailed(await runCli(elsewhere, 'keys', 'list'), 1, 'cli.not_running', new RegExp(`127\\.0\\.0\\.1:${port}`))
    const nowhere = { ...env, OSTIARY_DATA_DIR: join(gateway.folder, 'none') }
    assertFailed(await runCli(nowhere, 'keys', 'list'), 1, 'cli.no_token', /there is no .*none\/bootstrap-token/)
  })

  test('says that it is no gateway that answers there', async () => {
    const page = createServer((_req, res) => res.end('<html>Something else</html>')).listen(0, '127.0.0.1')
    await new Promise(resolve => page.once('listening', resolve))
    const elsewhere = {
      ...env,
      OSTIARY_LISTENERS_ADMIN_URL: `http://127.0.0.1:${(page.address() as AddressInfo).port}`,
    }
    try {
      assertFailed(await runCli(elsewhere, 'keys', 'list'), 1, 'cli.not_running')
    } finally {
      page.close()
    }
  })

  test('is refused with another deployment’s token', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ostiary-token-'))
    writeFileSync(join(folder, 'bootstrap-token'), 'so_of-somebody-else\n')
    assertFailed(await runCli({ ...env, OSTIARY_DATA_DIR: folder }, 'keys', 'list'), 1, 'admin.unauthorized')
    rmSync(folder, { recursive: true })
  })

  test('is wrong usage while the configuration is not valid', async () => {
    assertFailed(await runCli({ ...env, OSTIARY_WORKRES: '1' }, 'keys', 'list'), 2, 'config.invalid', /OSTIARY_WORKRES/)
  })
})

describe('ostiary config', () => {
  test('check, show and schema do their work without a gateway', async () => {
    const alone = { OSTIARY_CONFIG: gateway.configFile }
    assert.match((await runCli(alone, 'config', 'check')).stdout, /^ok\n/)
    assert.match((await runCli(alone, 'config', 'show')).stdout, /^listeners:\n/m)
    assert.equal(typeof JSON.parse((await runCli(alone, 'config', 'schema')).stdout), 'object')
    const wrong = await runCli({ ...alone, OSTIARY_WORKERS: '0' }, 'config', 'check')
    assert.deepEqual([wrong.code, wrong.stdout], [2, ''])
    assert.match(wrong.stderr, /^OSTIARY_WORKERS: workers: must be /)
  })
})

describe('the program', () => {
  test('is the same through scripts/ostiary.mjs, as npx runs it', async () => {
    using deployment = createDeployment()
    const options = { program: OSTIARY, env }
    const created = await runProgram(deployment, ['keys', 'create', '--name', 'by npx', '--env', 'test'], options)
    assert.deepEqual([created.code, created.signal], [0, null], created.stderr)
    assert.match(created.stdout, /^sk_test_\w{42}\n$/)
    assert.equal((await callOnce(gateway.url, created.stdout.trim())).status, 200)
    const wrong = await runProgram(deployment, ['keys', 'mint'], options)
    assert.deepEqual([wrong.code, wrong.stdout], [2, ''])
    const failed = await runProgram(deployment, ['keys', 'revoke', `key_${'0'.repeat(26)}`], options)
    assert.deepEqual([failed.code, failed.stdout], [1, ''])
  })

  test('leaves nothing behind in a folder where it only answers', async () => {
    using deployment = createDeployment()
    const { OSTIARY_DATA_DIR: _, OSTIARY_CONFIG: __, ...bare } = deployment.env
    const finished = await runProgram({ ...deployment, env: bare }, ['--version'])
    assert.equal(finished.code, 0)
    assert.deepEqual(readdirSync(deployment.folder), ['ostiary.yaml'])
  })
})

describe('the admin listener', () => {
  const request = (path: string, options: Parameters<typeof ask>[1] = {}) => ask(gateway.adminUrl + path, options)
  const own = () => ({ authorization: `Bearer ${bootstrapToken(gateway.dataDirectory)}` })
  const post = (path: string, body: string, headers = {}) =>
    request(path, { headers: { ...own(), 'content-type': 'application/json', ...headers }, body })

  const routes = [
    ['GET', '/api/keys'],
    ['POST', '/api/keys'],
    ['POST', `/api/keys/key_${'0'.repeat(26)}/revoke`],
    ['POST', '/api/config/reload'],
  ] as const
  for (const [method, path] of routes) {
    test(`${method} ${path} wants the operator’s token`, async () => {
      const token = bootstrapToken(gateway.dataDirectory)
      for (const authorization of [
        undefined,
        '',
        'Bearer',
        'Bearer ',
        `Basic ${token}`,
        'Bearer so_wrong',
        `Bearer ${token}x`,
        `Bearer ${token.slice(0, -1)}`,
        `Bearer ${gateway.testKey}`,
        `Bearer ${token} ${token}`,
      ]) {
        const headers = authorization === undefined ? {} : { authorization }
        const reply = await request(path, { method, headers })
        assert.deepEqual([reply.status, JSON.parse(reply.text).code], [401, 'admin.unauthorized'], `${authorization}`)
        assert.equal(reply.headers['www-authenticate'], 'Bearer realm="ostiary-admin"')
        assert.match(String(reply.headers['content-type']), /^application\/problem\+json/)
      }
    })
  }

  test('answers health to anyone who reaches it', async () => {
    for (const [path, body] of [
      ['/healthz', { status: 'ok' }],
      ['/readyz', { status: 'ready', not_ready: [] }],
    ] as const) {
      const reply = await request(path, { method: 'GET' })
      assert.deepEqual([reply.status, JSON.parse(reply.text)], [200, body])
      assert.equal(reply.headers['cache-control'], 'no-store')
      assert.match(String(reply.headers['x-request-id']), /^req_/)
    }
  })

  test('answers nothing under another host’s name, or for a page of another origin', async () => {
    const { port } = new URL(gateway.adminUrl)
    for (const path of ['/healthz', '/api/keys', '/nowhere']) {
      for (const headers of [
        { host: 'evil.example' },
        { host: `evil.example:${port}` },
        { host: 'localhost' },
        { host: `localhost:${port}.evil.example` },
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { origin: `http://localhost:${Number(port) + 1}` },
        { origin: `http://localhost:${port}.evil.example` },
      ]) {
        const reply = await request(path, { method: 'GET', headers: { ...own(), ...headers } })
        const shown = JSON.stringify(headers)
        assert.deepEqual([reply.status, JSON.parse(reply.text).code], [421, 'admin.host_refused'], shown)
        assert.equal(reply.headers['access-control-allow-origin'], undefined)
      }
    }
    for (const headers of [{ host: `localhost:${port}` }, { origin: `http://127.0.0.1:${port}` }]) {
      assert.equal((await request('/api/keys', { method: 'GET', headers: { ...own(), ...headers } })).status, 200)
    }
  })

  const bad: readonly (readonly [string, string])[] = [
    ['no body', ''],
    ['no JSON', '{'],
    ['an array', '[]'],
    ['null', 'null'],
    ['no name', '{}'],
    ['an empty name', '{"name":""}'],
    ['a name of spaces', '{"name":"  "}'],
    ['a name that is too long', JSON.stringify({ name: 'x'.repeat(129) })],
    ['a number as name', '{"name":7}'],
    ['NUL in the name', '{"name":"a\\u0000b"}'],
    ['an escape sequence in the name', '{"name":"a\\u001b[31mb"}'],
    ['a line break in the name', '{"name":"a\\nb"}'],
    ['an unknown member', '{"name":"x","colour":"red"}'],
    ['a misspelt member', '{"name":"x","expiresIn":60}'],
    ['__proto__', '{"name":"x","__proto__":{"environment":"test"}}'],
    ['an unknown environment', '{"name":"x","environment":"prod"}'],
    ['a lifetime of nothing', '{"name":"x","expires_in":0}'],
    ['a lifetime that is no integer', '{"name":"x","expires_in":1.5}'],
    ['a lifetime as text', '{"name":"x","expires_in":"60"}'],
    ['a lifetime beyond all bounds', '{"name":"x","expires_in":1e300}'],
  ]
  for (const [name, body] of bad) {
    test(`refuses to mint with ${name}`, async () => {
      const reply = await post('/api/keys', body)
      assert.deepEqual([reply.status, JSON.parse(reply.text).code], [400, 'admin.invalid_input'], reply.text)
    })
  }

  test('takes names in any script', async () => {
    for (const name of ['Kasse 7', 'レジ', 'صندوق', '👩‍💻 x', 'x'.repeat(128)]) {
      const { status, json } = await askAdmin(gateway, '/api/keys', { name })
      assert.deepEqual([status, (json.key as { name: string }).name], [201, name])
    }
  })

  test('refuses what is not JSON or too large', async () => {
    const form = await post('/api/keys', 'name=x', { 'content-type': 'application/x-www-form-urlencoded' })
    assert.deepEqual([form.status, JSON.parse(form.text).code], [415, 'request.unsupported_media_type'])
    const text = await post('/api/keys', '{"name":"x"}', { 'content-type': 'text/plain' })
    assert.equal(text.status, 415, 'what a page may send without asking first')
    const large = await post('/api/keys', JSON.stringify({ name: 'x'.repeat(70_000) }))
    assert.deepEqual([large.status, JSON.parse(large.text).code], [413, 'request.too_large'])
  })

  for (const query of [
    'limit=0',
    'limit=1001',
    'limit=x',
    'limit=1&limit=2',
    'after=%00',
    'after=x&page=2',
    'page=2',
  ]) {
    test(`refuses to list with ${query}`, async () => {
      const reply = await request(`/api/keys?${query}`, { method: 'GET', headers: own() })
      assert.deepEqual([reply.status, JSON.parse(reply.text).code], [400, 'admin.invalid_input'], reply.text)
    })
  }

  test('lists page by page, newest first', async () => {
    const ids: string[] = []
    for (let after = ''; ; ) {
      const { json } = await askAdmin(gateway, `/api/keys?limit=400${after}`)
      const page = json as { keys: { id: string }[]; next: string | null }
      ids.push(...page.keys.map(({ id }) => id))
      if (page.next === null) break
      assert.equal(page.next, page.keys.at(-1)?.id)
      after = `&after=${page.next}`
    }
    const all = await gateway.ostiary.store.keys.list({ limit: 10_000 })
    assert.deepEqual(
      ids,
      all.map(({ id }) => id),
    )
  })

  for (const [method, path, status, code] of [
    ['GET', '/', 404, 'route.not_found'],
    ['GET', '/api/nothing', 404, 'route.not_found'],
    ['DELETE', '/api/keys', 404, 'route.not_found'],
    ['GET', '/api/keys/', 400, 'admin.invalid_input'],
    ['POST', `/api/keys/key_${'0'.repeat(26)}/revoke`, 404, 'key.not_found'],
    ['POST', '/api/keys/nonsense/revoke', 400, 'admin.invalid_input'],
  ] as const) {
    test(`answers ${status} to ${method} ${path.slice(0, 40)}`, async () => {
      const reply = await request(path, { method, headers: own() })
      assert.deepEqual([reply.status, JSON.parse(reply.text).code], [status, code], reply.text)
      assert.match(JSON.parse(reply.text).request_id, /^req_/)
    })
  }

  test('answers what its router cannot read like every other problem', async () => {
    for (const [method, path] of [
      ['GET', '/api/%'],
      ['GET', '/%00%ff'],
      ['POST', `/api/keys/${'k'.repeat(200)}/revoke`],
    ] as const) {
      const reply = await request(path, { method, headers: own() })
      const { code, request_id: id } = JSON.parse(reply.text)
      assert.ok(Object.hasOwn(problemTypes, code), `${path}: ${reply.text}`)
      assert.equal(reply.status, problemTypes[code as keyof typeof problemTypes].status)
      assert.match(id, /^req_/)
    }
  })
})
