import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { runCommand } from '#cli/commands.ts'
import { makeCertificate } from '../support/certificate.ts'
import { type Gateway, startGateway, until } from '../support/gateway.ts'
import { callOnce } from '../support/process.ts'

const SECRET = /^sk_test_[0-9A-Za-z]{42}\n$/

let gateway: Gateway
let env: Record<string, string>
before(async () => {
  gateway = await startGateway({
    yaml: 'models: { gpt-5: { provider: sandbox }, o1: { provider: sandbox } }\n',
    workers: 2,
  })
  env = {
    OSTIARY_CONFIG: gateway.configFile,
    OSTIARY_DATA_DIR: gateway.dataDirectory,
    OSTIARY_LISTENERS_ADMIN_URL: gateway.adminUrl,
  }
})
after(() => gateway[Symbol.asyncDispose]())

/** Runs a command with what stands on its standard input; null = a terminal. */
async function cliWith(input: string | null, ...args: string[]) {
  const written = { stdout: '', stderr: '' }
  // In pieces that cut characters: what is read must not depend on how it comes.
  const bytes = Buffer.from(input ?? '')
  const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, n) => bytes.subarray(n * 7, n * 7 + 7))
  const stdin = Object.assign(
    (async function* () {
      yield* pieces
    })(),
    { isTTY: input === null },
  )
  const code = await runCommand(args, {
    env,
    stdout: { write: text => (written.stdout += text) },
    stderr: { write: text => (written.stderr += text) },
    stdin,
  })
  return { code, ...written }
}
const cli = (...args: string[]) => cliWith(null, ...args)
const json = async (...args: string[]) => {
  const { code, stdout, stderr } = await cli(...args, '--json')
  assert.deepEqual([code, stderr], [0, ''], stderr)
  return JSON.parse(stdout)
}
const becomes = (status: number, secret: string) =>
  until(`${status}`, async () => {
    const calls = await Promise.all([1, 2, 3, 4].map(() => callOnce(gateway.url, secret.trim())))
    return calls.every(call => call.status === status)
  })

describe('ostiary keys', () => {
  test('create takes all that may be said of a key', async () => {
    await json('projects', 'create', '--name', 'till')
    const args = [
      '--name',
      'till 7',
      '--project',
      'till',
      '--env',
      'test',
      '--models',
      'gpt-*,sandbox',
      '--models',
      'o1',
    ]
    args.push('--scopes', 'chat:create', '--operations', 'openai.chat', '--cidr', '127.0.0.0/8', '--cidr', '::1')
    args.push('--role', 'developer', '--deny-cidr', '127.0.0.66,127.0.0.67')
    args.push('--limit', 'requests=20/1m', '--limit', 'tokens=100000/1d', '--limit', 'concurrency=5')
    args.push('--budget', 'usd=10.50/month', '--budget', 'tokens=1000/day', '--expires', '30d')
    args.push('--metadata', 'team=a=b', '--metadata', 'owner=')
    const { key, secret } = await json('keys', 'create', ...args)
    const { roles, models, scopes, operations, cidrs, denied_cidrs, limits, budgets, metadata } = key
    assert.deepEqual(
      { roles, models, scopes, operations, cidrs, denied_cidrs, limits, budgets, metadata },
      {
        roles: ['developer'],
        models: ['gpt-*', 'sandbox', 'o1'],
        scopes: ['chat:create'],
        operations: ['openai.chat'],
        cidrs: ['127.0.0.0/8', '::1'],
        denied_cidrs: ['127.0.0.66', '127.0.0.67'],
        limits: [
          { unit: 'requests', amount: 20, window_seconds: 60 },
          { unit: 'tokens', amount: 100_000, window_seconds: 86_400 },
          { unit: 'concurrency', amount: 5 },
        ],
        budgets: [
          { unit: 'usd', amount: 10.5, period: 'month' },
          { unit: 'tokens', amount: 1000, period: 'day' },
        ],
        metadata: { team: 'a=b', owner: '' },
      },
    )
    const body = JSON.stringify({ model: 'sandbox', max_tokens: 50, messages: [{ role: 'user', content: 'Hello' }] })
    assert.equal((await callOnce(gateway.url, secret, { body })).status, 200)
    assert.deepEqual(await json('keys', 'list', '--project', 'till', '--metadata', 'team=a=b', '--sort=-name'), [key])
    assert.deepEqual(await json('keys', 'list', '--project', 'till', '--env', 'live'), [])

    const changed = await json('keys', 'update', key.id, '--models', 'all', '--limit', 'none', '--metadata', 'none')
    assert.deepEqual([changed.key.models, changed.key.limits, changed.key.metadata], [null, null, {}])
    assert.deepEqual([changed.key.scopes, changed.key.name], [scopes, 'till 7'])
    const freed = await json('keys', 'update', key.id, '--role', 'none', '--deny-cidr', 'none', '--cidr', 'all')
    assert.deepEqual([freed.key.roles, freed.key.denied_cidrs, freed.key.cidrs], [null, null, null])
    const shown = await cli('keys', 'show', key.id)
    assert.match(shown.stdout, new RegExp(`^id +${key.id}\n.*\nname +till 7\n`))
    assert.match(shown.stdout, /^scopes +\["chat:create"\]$/m)
    assert.ok(!shown.stdout.includes(secret.slice(8, 30)))
  })

  test('create and update bind a key by thumbprint or by file, and refuse what is no key', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const jwk = publicKey.export({ format: 'jwk' })
    const thumbprint = await calculateJwkThumbprint(jwk as JWK)
    const certificate = makeCertificate(gateway.folder, 'client.example')
    const x5t = createHash('sha256').update(new X509Certificate(certificate.cert).raw).digest('base64url')
    const files = {
      pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      private: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      privateJwk: JSON.stringify(privateKey.export({ format: 'jwk' })),
      jwk: JSON.stringify({ ...jwk, kid: 'one', use: 'sig' }),
      cert: certificate.cert,
      k1: generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
        .publicKey.export({ type: 'spki', format: 'pem' })
        .toString(),
      short: generateKeyPairSync('rsa', { modulusLength: 1024 })
        .publicKey.export({ type: 'spki', format: 'pem' })
        .toString(),
      junk: '{"kty":',
    }
    const path = (name: keyof typeof files) => join(gateway.folder, `binding.${name}`)
    for (const [name, text] of Object.entries(files)) writeFileSync(path(name as keyof typeof files), text)

    const create = (...args: string[]) => json('keys', 'create', '--name', 'k', '--env', 'test', ...args)
    const { key } = await create(`--dpop-key=${thumbprint}`)
    assert.deepEqual(key.binding, { dpop_jkt: thumbprint })
    for (const name of ['pem', 'jwk'] as const) {
      assert.deepEqual((await create('--dpop-key-file', path(name))).key.binding, { dpop_jkt: thumbprint }, name)
    }
    const update = async (...args: string[]) => (await json('keys', 'update', key.id, ...args)).key.binding
    assert.deepEqual(await update('--certificate-file', path('cert')), { x5t_s256: x5t })
    assert.deepEqual(await update('--expires', '30d'), { x5t_s256: x5t })
    assert.equal(await update('--certificate', 'none'), null)
    assert.deepEqual(await update(`--certificate=${x5t}`), { x5t_s256: x5t })
    assert.equal(await update('--dpop-key', 'none'), null)

    for (const [args, said] of [
      [[`--dpop-key=${thumbprint}`, `--certificate=${x5t}`], /Give one of --dpop-key and --certificate/],
      [['--dpop-key-file', path('junk')], /binding\.junk holds no key/],
      [['--dpop-key-file', path('k1')], /the key is for none of them/],
      [['--dpop-key-file', path('short')], /the key is for none of them/],
      [['--dpop-key-file', join(gateway.folder, 'none')], /cannot be read \(ENOENT\)/],
      [['--certificate-file', path('pem')], /holds no certificate/],
      [['--dpop-key-file', path('private')], /binding\.private: that is the private key; take the public one\./],
      [['--dpop-key-file', path('privateJwk')], /that is the private key; take the public one\./],
      [['--dpop-key=abc'], /--dpop-key: a thumbprint is 43 characters of base64url\./],
      [[`--certificate=${x5t}=`], /--certificate: a thumbprint is 43 characters of base64url\./],
    ] as const) {
      const { code, stdout, stderr } = await cli('keys', 'create', '--name', 'k', ...args)
      assert.equal(code, 2, stderr)
      assert.equal(stdout, '')
      assert.match(stderr, said)
    }
  })

  test('rotate prints the new secret alone; disable and enable say what they did', async () => {
    const created = await cli('keys', 'create', '--name', 'k', '--env', 'test')
    const [id = ''] = created.stderr.split(' ')
    const rotated = await cli('keys', 'rotate', id, '--grace', '1h')
    assert.match(rotated.stdout, SECRET)
    assert.match(rotated.stderr, new RegExp(`^${id} · test · until .* · shown this once\n$`))
    await Promise.all([becomes(200, created.stdout), becomes(200, rotated.stdout)])
    assert.deepEqual(await cli('keys', 'disable', id), { code: 0, stdout: `${id} is disabled.\n`, stderr: '' })
    await becomes(401, rotated.stdout)
    assert.deepEqual(await cli('keys', 'enable', id), { code: 0, stdout: `${id} is enabled.\n`, stderr: '' })
    const last = await cli('keys', 'rotate', id, '--grace', '0')
    await Promise.all([becomes(401, created.stdout), becomes(401, rotated.stdout), becomes(200, last.stdout)])
  })

  test('revoke - ends the keys whose ids stand on standard input, and names the ids of none', async () => {
    const made = await Promise.all([1, 2].map(() => json('keys', 'create', '--name', 'k', '--env', 'test')))
    const none = `key_${'0'.repeat(26)}`
    const ids = [...made.map(({ key }) => key.id), none]
    const { code, stdout, stderr } = await cliWith(`\n${ids.join('\r\n')}\n\n`, 'keys', 'revoke', '-')
    assert.deepEqual([code, stdout], [1, 'Keys revoked: 2.\n'])
    assert.match(stderr, new RegExp(`key\\.not_found.*\n.*${none}`))
    for (const { secret } of made) await becomes(401, secret)
    const again = await cliWith(ids.slice(0, 2).join('\n'), 'keys', 'revoke', '-', '--json')
    assert.deepEqual([again.code, JSON.parse(again.stdout)], [0, { revoked: [], unknown: [] }])
  })

  test('revoke ends all keys of a project, and report-leak those of leaked texts, which it never prints', async () => {
    await json('projects', 'create', '--name', 'gone')
    const of = (...args: string[]) => json('keys', 'create', '--name', 'k', '--env', 'test', ...args)
    const [one, two, other] = [await of('--project', 'gone'), await of('--project', 'gone'), await of()]
    assert.equal((await cli('keys', 'revoke', '--project', 'gone')).stdout, 'Keys revoked: 2.\n')
    for (const { secret } of [one, two]) await becomes(401, secret)
    const found = `${other.secret}\nsk-proj-of-somebody-else\n${one.secret}\n`
    const leak = await cliWith(found, 'keys', 'report-leak')
    assert.deepEqual(leak, {
      code: 0,
      stdout: `line 1: ${other.key.id} is revoked\nline 2: no key of this gateway\nline 3: ${one.key.id} had ended before\n`,
      stderr: '',
    })
    await becomes(401, other.secret)
    assert.equal((await cli('projects', 'delete', 'gone')).code, 0)
  })

  test('report-leak --flag marks a key, which works on, and says so in lists', async () => {
    const { key, secret } = await json('keys', 'create', '--name', 'flagged', '--env', 'test')
    const flag = await cliWith(`${secret}\n`, 'keys', 'report-leak', '--flag')
    assert.deepEqual([flag.code, flag.stdout], [0, `line 1: ${key.id} is flagged\n`])
    await becomes(200, secret)
    assert.match((await cli('keys', 'list', '--name', 'flagged')).stdout, /active, leaked/)
    assert.match((await cli('keys', 'show', key.id)).stdout, /^leak_reported_at +20\d\d-/m)
    const both = await cliWith(`${secret}\n`, 'keys', 'report-leak', '--flag', '--revoke')
    assert.deepEqual([both.code, both.stdout], [2, ''])
    const end = await cliWith(`${secret}\n`, 'keys', 'report-leak', '--revoke')
    assert.equal(end.stdout, `line 1: ${key.id} is revoked\n`)
    await becomes(401, secret)
  })

  for (const [args, detail] of [
    [['keys', 'create', '--name', 'x', '--limit', 'requests=20'], /--limit requests=20: write/],
    [['keys', 'create', '--name', 'x', '--limit', 'calls=20/1m'], /--limit calls=20\/1m: write/],
    [['keys', 'create', '--name', 'x', '--limit', 'requests=20/soon'], /--limit requests=20\/soon/],
    [['keys', 'create', '--name', 'x', '--limit', 'concurrency=5/1m'], /--limit concurrency/],
    [['keys', 'create', '--name', 'x', '--budget', 'usd=10'], /--budget usd=10: write/],
    [['keys', 'create', '--name', 'x', '--budget', 'usd=ten/month'], /--budget usd=ten/],
    [['keys', 'create', '--name', 'x', '--budget', 'usd=10/year'], /--budget usd=10\/year/],
    [['keys', 'create', '--name', 'x', '--metadata', 'team'], /--metadata team: write NAME=VALUE/],
    [['keys', 'update', 'key_1'], /Name what is to change/],
    [['keys', 'update', '--name', 'x'], /Name one key/],
    [['keys', 'rotate', 'key_1'], /--grace is missing/],
    [['keys', 'rotate', 'key_1', '--grace', 'soon'], /--grace soon/],
    [['keys', 'revoke', '-'], /ids of keys on standard input/],
    [['keys', 'revoke', '--project', 'a', '--prefix', 'sk_live_'], /in one way/],
    [['keys', 'revoke', 'key_1', '--project', 'a'], /in one way/],
    [['keys', 'report-leak'], /texts of keys on standard input/],
    [['keys', 'report-leak', 'sk_live_x'], /sk_live_x/],
    [['keys', 'show'], /Name one key/],
    [['projects', 'create'], /--name is missing/],
    [['projects', 'show'], /Name one project/],
    [['projects', 'update', 'default'], /Name what is to change/],
  ] as const) {
    test(`${args.join(' ')} is wrong usage`, async () => {
      const { code, stdout, stderr } = await cli(...args)
      assert.deepEqual([code, stdout], [2, ''], stderr)
      assert.match(stderr, /\(cli\.usage\)\n/)
      assert.match(stderr, detail)
    })
  }

  test('passes on what the gateway refuses', async () => {
    for (const [args, code] of [
      [['keys', 'create', '--name', 'x', '--scopes', 'chat'], 'admin.invalid_input'],
      [['keys', 'create', '--name', 'x', '--project', 'nowhere'], 'project.not_found'],
      [['keys', 'list', '--status', 'well'], 'admin.invalid_input'],
      [['keys', 'revoke', '--prefix', 's'], 'admin.invalid_input'],
      [['keys', 'rotate', `key_${'0'.repeat(26)}`, '--grace', '0'], 'key.not_found'],
      [['projects', 'delete', 'default'], 'project.not_deletable'],
      [['projects', 'show', 'nowhere'], 'project.not_found'],
    ] as const) {
      const failed = await cli(...args)
      assert.deepEqual([failed.code, failed.stdout], [1, ''], args.join(' '))
      assert.ok(failed.stderr.includes(`(${code})`), failed.stderr)
    }
  })

  for (const [group, commands] of [
    ['keys', ['create', 'list', 'show', 'update', 'rotate', 'disable', 'enable', 'revoke', 'report-leak']],
    ['projects', ['create', 'list', 'show', 'update', 'delete']],
  ] as const) {
    for (const command of commands) {
      test(`${group} ${command} --help explains it with an example`, async () => {
        const { code, stdout, stderr } = await cli(group, command, '--help')
        assert.deepEqual([code, stderr], [0, ''])
        assert.match(
          stdout,
          new RegExp(`^Usage: ostiary ${group} ${command}[^]*\nExample: ostiary ${group} ${command}`),
        )
      })
    }
  }
})

describe('ostiary projects', () => {
  test('create and update say from where keys and tokens of a project may be used', async () => {
    const args = ['--name', 'fenced', '--cidr', '127.0.0.0/8,::1', '--deny-cidr', '127.0.0.66']
    const { project } = await json('projects', 'create', ...args)
    assert.deepEqual([project.cidrs, project.denied_cidrs], [['127.0.0.0/8', '::1'], ['127.0.0.66']])
    const refused = await cli('keys', 'create', '--name', 'outside', '--project', 'fenced', '--cidr', '10.0.0.0/8')
    assert.match(refused.stderr, /"10.0.0.0\/8" can never apply: .*its project/)
    const updated = await json('projects', 'update', 'fenced', '--cidr', 'all', '--deny-cidr', 'none')
    assert.deepEqual([updated.project.cidrs, updated.project.denied_cidrs], [null, null])
    const never = await cli('projects', 'update', 'fenced', '--cidr', '10.1.0.0/16', '--deny-cidr', '10.0.0.0/8')
    assert.match(never.stderr, /can never apply/)
    assert.deepEqual((await json('projects', 'show', 'fenced')).project, updated.project)
  })

  test('create, list, show, update and delete', async () => {
    const created = await cli('projects', 'create', '--name', 'shop', '--description', 'the shop', '--metadata', 'a=b')
    const [, id = ''] = /^(proj_\w{26}) shop\n$/.exec(created.stdout) ?? []
    assert.match((await cli('projects', 'list')).stdout, new RegExp(`^${id} +shop +the shop$`, 'm'))
    assert.deepEqual((await json('projects', 'show', 'shop')).project.metadata, { a: 'b' })
    assert.match((await cli('projects', 'show', id)).stdout, /^description +the shop$/m)
    assert.equal((await cli('projects', 'update', 'shop', '--name', 'store')).stdout, `${id} is changed.\n`)
    assert.equal((await cli('projects', 'delete', 'store')).stdout, `${id} store is deleted.\n`)
    assert.equal((await cli('projects', 'show', id)).code, 1)
    assert.ok((await json('projects', 'list')).every((project: { id: string }) => project.id !== id))
  })
})
