import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { runCommand } from '#cli/commands.ts'
import type { ChangeEvent } from '#core/events.ts'
import { MAX_REVOKED_VALUE } from '#core/revocation.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { askAdmin, callOnce } from '../support/process.ts'
import { revokeTokens } from '../support/revocations.ts'
import { startTokenIssuer, type TokenIssuer } from '../support/token-issuer.ts'

const HOUR = 3_600_000
const MAX_LIFETIME = 3600
const SKEW = 30

let issuer: TokenIssuer
let gateway: Gateway
let env: Record<string, string>
before(async () => {
  issuer = await startTokenIssuer()
  gateway = await startGateway({ yaml: `issuers:\n  company:${issuer.yaml(`maxLifetimeSeconds: ${MAX_LIFETIME}`)}` })
  env = {
    OSTIARY_CONFIG: gateway.configFile,
    OSTIARY_DATA_DIR: gateway.dataDirectory,
    OSTIARY_LISTENERS_ADMIN_URL: gateway.adminUrl,
  }
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await issuer[Symbol.asyncDispose]()
})

interface Entry {
  readonly id: string
  readonly kind: string
  readonly value: string
  readonly not_before: string | null
  readonly expires_at: string | null
  readonly reason: string | null
}

const make = async (kind: Parameters<typeof revokeTokens>[1], value: string, more: object = {}) => {
  const { status, json } = await revokeTokens(gateway, kind, value, more)
  return { status, detail: String(json.detail), entry: json.revocation as Entry }
}
const iso = (ms: number) => new Date(ms).toISOString()

describe('an entry', () => {
  test('of a person, client or session is of now and kept as long as a token of then can be good', async () => {
    for (const kind of ['subject', 'client', 'session'] as const) {
      const begun = Date.now()
      const { entry } = await make(kind, 'x')
      const at = Date.parse(String(entry.not_before))
      assert.ok(at >= begun && at <= Date.now(), kind)
      assert.equal(Date.parse(String(entry.expires_at)), at + (MAX_LIFETIME + SKEW) * 1000, kind)
    }
  })

  test('of a token is kept as long as any can be good, or as it says; of a key for good', async () => {
    const begun = Date.now()
    const { entry: token } = await make('token', 'jti-1')
    assert.equal(token.not_before, null)
    const end = Date.parse(String(token.expires_at)) - (MAX_LIFETIME + SKEW) * 1000
    assert.ok(end >= begun && end <= Date.now())
    const soon = iso(Date.now() + HOUR)
    assert.equal((await make('token', 'jti-2', { expires_at: soon })).entry.expires_at, soon)
    assert.equal((await make('token', 'jti-3', { expires_at: null })).entry.expires_at, null)
    const { entry: key } = await make('key', 'k9')
    assert.deepEqual([key.not_before, key.expires_at], [null, null])
    assert.equal((await make('key', 'k9', { expires_at: soon })).entry.expires_at, soon)
  })

  test('of an earlier moment is kept from now on, of a later one from then on', async () => {
    const begun = Date.now()
    const kept = ({ entry }: { entry: Entry }) =>
      Date.parse(String(entry.expires_at)) - (MAX_LIFETIME + SKEW) * 1000 - begun
    const past = kept(await make('subject', 'x', { not_before: iso(begun - 24 * HOUR) }))
    assert.ok(past >= 0 && past < 60_000)
    assert.equal(kept(await make('subject', 'x', { not_before: iso(begun + HOUR) })), HOUR)
  })

  test('that makes no sense is refused', async () => {
    const wrong: readonly (readonly [Parameters<typeof make>, RegExp])[] = [
      [['subject', 'x', { issuer: 'nobody' }], /no issuer nobody/],
      [['subject', 'x', { issuer: 'constructor' }], /no issuer constructor/],
      [['token', 'x', { not_before: iso(Date.now()) }], /leave not_before out/],
      [['key', 'x', { not_before: iso(Date.now()) }], /leave not_before out/],
      [['subject', 'x', { not_before: iso(Date.now() + 25 * HOUR) }], /more than a day ahead/],
      [['token', 'x', { expires_at: iso(Date.now() - 1000) }], /has passed/],
      [['token', 'x', { expires_at: '2026-13-31T00:00:00Z' }], /not a time/],
      [['token', 'x'.repeat(MAX_REVOKED_VALUE + 1)], /value/],
      [['token', 'a\0b'], /value/],
      [['token', ''], /value/],
      [['subject', 'company:lou'], /give what stands after company:, lou\.$/],
      [['client', 'company/batch-jobs'], /give what stands after company\/, batch-jobs\.$/],
    ]
    for (const [args, said] of wrong) {
      const { status, detail } = await make(...args)
      assert.equal(status, 400, detail)
      assert.match(detail, said)
    }
    for (const good of ['company', 'companyx:lou', 'lou@company:x'])
      assert.equal((await make('subject', good)).status, 201)
    const longest = '🔑'.repeat(MAX_REVOKED_VALUE / 2)
    assert.equal((await make('token', longest)).entry.value, longest)
  })
})

test('only an operator of the whole gateway sees and changes the list', async () => {
  const { json } = await askAdmin(gateway, '/api/projects', { name: 'shop' })
  const { id: project } = json.project as { id: string }
  const scopes = ['revocations:read', 'revocations:write']
  const made = await askAdmin(gateway, '/api/tokens', { name: 'of a project', scopes, projects: [project] })
  const { id } = (await make('subject', 'hidden')).entry
  const authorization = `Bearer ${made.json.secret}`
  const body = JSON.stringify({ issuer: 'company', kind: 'subject', value: 'hidden' })
  for (const [method, path] of [
    ['POST', ''],
    ['GET', ''],
    ['GET', `/${id}`],
    ['DELETE', `/${id}`],
  ] as const) {
    const sent =
      method === 'POST'
        ? { body, headers: { 'content-type': 'application/json', authorization } }
        : { headers: { authorization } }
    const answer = await fetch(`${gateway.adminUrl}/api/revocations${path}`, { method, ...sent })
    assert.equal(answer.status, 403, `${method} ${path}`)
    assert.equal(((await answer.json()) as { code: string }).code, 'admin.forbidden')
  }
})

async function cliWith(input: string | null, ...args: string[]) {
  const written = { stdout: '', stderr: '' }
  const stdin = Object.assign(
    (async function* () {
      yield Buffer.from(input ?? '')
    })(),
    { isTTY: input === null },
  )
  const code = await runCommand(['revocations', ...args], {
    env,
    stdout: { write: text => (written.stdout += text) },
    stderr: { write: text => (written.stderr += text) },
    stdin,
  })
  return { code, ...written }
}
const cli = (...args: string[]) => cliWith(null, ...args)
const listed = async (...args: string[]) => JSON.parse((await cli('list', '--json', ...args)).stdout) as Entry[]

describe('ostiary revocations', () => {
  test('create takes each of the ways, and list, show and delete find it', async () => {
    const at = '2026-01-31T12:00:00.000Z'
    const ways: readonly (readonly [string[], Partial<Entry>])[] = [
      [
        ['--subject', 'ada', '--at', at, '--reason', 'laptop stolen'],
        { kind: 'subject', not_before: at, reason: 'laptop stolen' },
      ],
      [['--client', 'app'], { kind: 'client', value: 'app' }],
      [['--session', 'sid'], { kind: 'session', value: 'sid' }],
      [['--token', 'jti', '--expires', '2099-01-01'], { kind: 'token', expires_at: '2099-01-01T00:00:00.000Z' }],
      [['--token', 'jti', '--expires', 'never'], { kind: 'token', expires_at: null }],
      [['--key', 'k9', '--expires', '12h'], { kind: 'key', value: 'k9' }],
    ]
    for (const [args, expected] of ways) {
      const { code, stdout, stderr } = await cli('create', '--issuer', 'company', ...args)
      assert.equal(code, 0, stderr)
      assert.match(stdout, /^rev_[0-9a-z]{26}\n$/)
      const id = stdout.trim()
      const { revocation } = JSON.parse((await cli('show', id, '--json')).stdout) as { revocation: Entry }
      for (const [name, value] of Object.entries(expected)) assert.equal(revocation[name as keyof Entry], value)
      assert.deepEqual((await listed('--kind', revocation.kind, '--value', revocation.value))[0], revocation)
      assert.match((await cli('list', '--issuer', 'company')).stdout, new RegExp(id))
      assert.match((await cli('show', id)).stdout, new RegExp(`id +${id}`))
      assert.match((await cli('delete', id)).stdout, /is lifted/)
      const gone = await cli('show', id)
      assert.equal(gone.code, 1)
      assert.match(gone.stderr, /revocation\.not_found/)
    }
  })

  test('lists everything, however many pages there are', async () => {
    const before = (await listed()).length
    for (let n = 0; n < 5; n++) await make('token', `page ${n}`)
    const page = await askAdmin(gateway, '/api/revocations?limit=2')
    assert.equal((page.json.revocations as Entry[]).length, 2)
    const next = await askAdmin(gateway, `/api/revocations?limit=2&after=${page.json.next}`)
    const values = [page, next].flatMap(({ json }) => (json.revocations as Entry[]).map(({ value }) => value))
    assert.deepEqual(values, ['page 4', 'page 3', 'page 2', 'page 1'])
    assert.equal((await listed()).length, before + 5)
  })

  test('create reads the names of a token from standard input, and keeps and sends nothing else of it', async () => {
    const token = await issuer.sign({ sub: 'kim', jti: 'jti of kim' })
    assert.equal((await callOnce(gateway.url, token)).status, 200)
    const { code, stderr } = await cliWith(`${token}\n`, 'create', '--token-from-stdin')
    assert.equal(code, 0, stderr)
    assert.equal((await callOnce(gateway.url, token)).status, 401)
    const [entry] = await listed('--value', 'jti of kim')
    assert.equal(entry?.kind, 'token')
    const claims = JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString())
    assert.equal(entry?.expires_at, iso(claims.exp * 1000))
    const events = (await gateway.ostiary.store.events.list({ limit: 1, type: 'revocation.created' })) as ChangeEvent[]
    assert.ok(!JSON.stringify([entry, events]).includes(token.split('.')[2] as string))
  })

  test('create refuses tokens that cannot be named, with advice, and never repeats them', async () => {
    const now = Math.floor(Date.now() / 1000)
    const wrong: readonly (readonly [string, RegExp])[] = [
      [await issuer.sign({ sub: 'kim', jti: undefined }), /no jti.*\("kim"\) with --subject/],
      [await issuer.sign({ sub: 'kim', jti: 7 }), /no jti/],
      [await issuer.sign({ sub: 'kim', exp: now - 5 }), /has ended/],
      [await issuer.sign({ sub: 'kim', iss: 'https://elsewhere.example.com' }), /no issuer "https:\/\/elsewhere/],
      ['sk_live_notatoken', /not a JWT/],
      ['', /empty/],
    ]
    const before = (await listed()).length
    for (const [token, said] of wrong) {
      const { code, stdout, stderr } = await cliWith(token, 'create', '--token-from-stdin')
      assert.equal(code, 2)
      assert.match(stderr, said)
      if (token !== '') assert.ok(!`${stdout}${stderr}`.includes(token))
    }
    assert.equal((await listed()).length, before)
  })

  test('create says what it refuses as people call it', async () => {
    const { stderr } = await cli('create', '--issuer', 'company', '--token', 'j2')
    assert.match(stderr, /^Refused: tokens of company with the jti j2; kept until /)
    const { code, stderr: advice } = await cli('create', '--issuer', 'company', '--subject', 'company:lou')
    assert.equal(code, 1)
    assert.match(advice, /give what stands after company:, lou/)
  })

  test('refuses what is not one clear way, with the way out', async () => {
    for (const [args, said] of [
      [['create', '--issuer', 'company'], /in one way/],
      [['create', '--issuer', 'company', '--subject', 'a', '--client', 'b'], /in one way/],
      [['create', '--subject', 'a', '--token-from-stdin'], /in one way/],
      [['create', '--subject', 'a'], /--issuer is missing/],
      [['create', '--issuer', 'company', '--subject', 'a', '--at', 'yesterday'], /--at yesterday/],
      [['create', '--issuer', 'company', '--token', 'a', '--expires', 'soon'], /--expires soon/],
      [['list', '--kind', 'person'], /--kind person: there are token/],
      [['show'], /one entry/],
      [['delete', 'a', 'b'], /one entry/],
    ] as const) {
      const { code, stderr } = await cli(...args)
      assert.equal(code, 2, args.join(' '))
      assert.match(stderr, said)
    }
  })
})
