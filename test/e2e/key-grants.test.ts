import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { AdminScope } from '#core/operator.ts'
import { hashDatabase, send } from '../support/admin-operations.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { bootstrapToken, cliEnvOf, runCli } from '../support/process.ts'
import { type Provider, startProvider } from '../support/provider.ts'

const CEDAR = `@id("payments.catalog")
permit (principal is Ostiary::ApiKey, action in Ostiary::Action::"services.read", resource)
when { principal.hasTag("team") && principal.getTag("team") == "payments" };
`

// What gives a key rights at the whole gateway, one at a time, and how the refusal names it.
const grants = [
  ['a role', { roles: ['owner'] }, /roles \(owner\)/],
  ['roles among others', { roles: ['viewer', 'admin'], scopes: ['chat:create'] }, /roles \(viewer, admin\)/],
  ['the scope of a service', { scopes: ['chat:create', 'catalog:write'] }, /scopes of services \(catalog:write\)/],
  ['a scope that models and a service have', { scopes: ['models:read'] }, /scopes of services \(models:read\)/],
  ['a tag that policies read', { metadata: { team: 'payments' } }, /tags that policies read \(team\)/],
] as const

let folder: string
let up: Provider
let gateway: Gateway
let root: string
let project: string
/** Limited to the project, without and with the scope to grant; and one of the whole gateway without it. */
let limited: string
let granting: string
let whole: string
before(async () => {
  up = await startProvider((_, reply) => void reply.end('reached'))
  folder = mkdtempSync(join(tmpdir(), 'ostiary-'))
  mkdirSync(join(folder, 'policies'))
  writeFileSync(join(folder, 'policies', 'tags.cedar'), CEDAR)
  const yaml = `services:
  catalog: { url: '${up.url}', path: /catalog, operations: { index: { methods: [QUERY], scopes: ['models:read'] } } }
`
  gateway = await startGateway({ folder, yaml })
  const bootstrap = bootstrapToken(gateway.dataDirectory)
  project = (await admin(bootstrap, 'POST', '/api/projects', { name: 'shop' })).json.project.id
  const token = async (scopes: AdminScope[], projects: string[] | null) =>
    (await admin(bootstrap, 'POST', '/api/tokens', { name: 't', scopes, projects })).json.secret
  limited = await token(['keys:read', 'keys:write'], [project])
  granting = await token(['keys:read', 'keys:write', 'keys:grant'], [project])
  whole = await token(['keys:read', 'keys:write'], null)
  root = await token(['keys:read', 'keys:write', 'tokens:write', 'config:write'], null)
  // The first use of a token is written, which is no trace of what is refused.
  for (const each of [limited, granting, whole, root]) await admin(each, 'GET', '/api/keys')
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await up?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

async function admin(token: string, method: string, path: string, body?: object, headers = {}) {
  const reply = await send(gateway.adminUrl, method, {
    token,
    path,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  return { status: reply.status, json: JSON.parse(reply.text), headers: reply.headers }
}

const keyOf = (settings: object) => ({ name: 'k', project: 'shop', ...settings })

async function mint(by: string, settings: object): Promise<{ id: string; secret: string }> {
  const { status, json } = await admin(by, 'POST', '/api/keys', keyOf(settings))
  assert.equal(status, 201, JSON.stringify(json))
  return { id: json.key.id, secret: json.secret }
}

/** 403 that says which scope is missing and why, no secret, and not a row written. */
async function refused(why: RegExp, method: string, path: string, body?: object, headers = {}) {
  const file = join(gateway.dataDirectory, 'ostiary.db')
  const before = hashDatabase(file)
  const { status, json } = await admin(limited, method, path, body, headers)
  assert.deepEqual([status, json.code], [403, 'admin.forbidden'], `${method} ${path}: ${JSON.stringify(json)}`)
  assert.match(json.detail, /limited to projects and lacks the scope keys:grant/)
  assert.match(json.detail, why)
  assert.equal(hashDatabase(file), before, `${method} ${path} wrote`)
}

const useCatalog = (key: string, method = 'DELETE') =>
  ask(`${gateway.url}/catalog/a`, { method, headers: { 'x-ostiary-key': key } }).then(({ status }) => status)

describe('an operator of one project without keys:grant', () => {
  for (const [what, settings, why] of grants) {
    test(`mints no key with ${what}`, () => refused(why, 'POST', '/api/keys', keyOf(settings)))

    test(`gives ${what} to no key there is, alone or with other changes`, async () => {
      const { id } = await mint(limited, { scopes: ['chat:create'] })
      await refused(why, 'PATCH', `/api/keys/${id}`, settings)
      await refused(why, 'PATCH', `/api/keys/${id}`, { name: 'other', limits: null, ...settings })
    })

    test(`does not get at a key with ${what}: its text, its return, its reach, its end`, async () => {
      const { id } = await mint(root, { ...settings, models: ['sandbox'], cidrs: ['10.0.0.0/8'], expires_in: 3600 })
      await refused(why, 'POST', `/api/keys/${id}/rotate`, { grace: 60 })
      for (const change of [
        { roles: null },
        { roles: ['auditor'] },
        { scopes: null },
        { models: null },
        { operations: ['openai.gone'] },
        { cidrs: null },
        { denied_cidrs: null },
        { binding: null },
        { metadata: {} },
        { expires_in: null },
        settings,
      ]) {
        await refused(why, 'PATCH', `/api/keys/${id}`, change)
      }
      await admin(limited, 'POST', `/api/keys/${id}/disable`)
      await refused(why, 'POST', `/api/keys/${id}/enable`)
      assert.equal((await admin(limited, 'GET', `/api/keys/${id}`)).json.key.status, 'disabled')
    })
  }

  test('still says how much such a key may use, disables it and ends it', async () => {
    const { id } = await mint(root, { roles: ['owner'] })
    const limits = [{ unit: 'requests', amount: 5, window_seconds: 60 }]
    const budgets = [{ unit: 'usd', amount: 1, period: 'day' }]
    const changed = await admin(limited, 'PATCH', `/api/keys/${id}`, { name: 'slow', limits, budgets })
    assert.deepEqual([changed.status, changed.json.key.roles], [200, ['owner']])
    assert.equal((await admin(limited, 'POST', `/api/keys/${id}/enable`)).status, 200, 'what changes nothing')
    assert.equal((await admin(limited, 'POST', `/api/keys/${id}/disable`)).status, 200)
    assert.deepEqual((await admin(limited, 'POST', '/api/keys/revoke', { ids: [id] })).json.revoked, [id])
  })

  test('has all of its own keys as before, with metadata that no policy reads', async () => {
    const settings = { scopes: ['chat:create'], models: ['sandbox'], metadata: { cost: 'x' }, roles: null }
    const { id } = await mint(limited, settings)
    const update = { scopes: null, models: null, metadata: {}, expires_in: 60 }
    assert.equal((await admin(limited, 'PATCH', `/api/keys/${id}`, update)).status, 200)
    assert.equal((await admin(limited, 'POST', `/api/keys/${id}/rotate`, { grace: 0 })).status, 200)
    assert.equal((await admin(limited, 'POST', `/api/keys/${id}/disable`)).status, 200)
    assert.equal((await admin(limited, 'POST', `/api/keys/${id}/enable`)).status, 200)
  })

  test('is refused with an idempotency key too, which the same request may then use with the right', async () => {
    const headers = { 'idempotency-key': randomUUID() }
    const body = keyOf({ roles: ['owner'] })
    await refused(/owner/, 'POST', '/api/keys', body, headers)
    await refused(/owner/, 'POST', '/api/keys', body, headers)
    assert.equal((await admin(limited, 'POST', '/api/keys', keyOf({}), headers)).status, 201, 'nothing was kept')
    const first = await admin(granting, 'POST', '/api/keys', body, headers)
    const again = await admin(granting, 'POST', '/api/keys', body, headers)
    assert.deepEqual([first.status, again.json], [201, first.json])
    assert.equal((await admin(limited, 'POST', '/api/keys', body, headers)).status, 422, 'nor taken from another')
  })

  test('learns nothing of other projects by it', async () => {
    const [{ id }, nothing] = [await mint(root, { project: 'default', roles: ['owner'] }), `key_${'0'.repeat(26)}`]
    for (const key of [id, nothing]) {
      for (const [method, path, body] of [
        ['PATCH', '', { roles: ['owner'] }],
        ['POST', '/rotate', { grace: 0 }],
        ['POST', '/enable', undefined],
      ] as const) {
        const { status, json } = await admin(limited, method, `/api/keys/${key}${path}`, body)
        assert.deepEqual([status, json.code], [404, 'key.not_found'])
      }
    }
    for (const project of ['default', 'nothing']) {
      await refused(/roles \(owner\)\.$/, 'POST', '/api/keys', keyOf({ project, roles: ['owner'] }))
    }
  })

  test('is told by the command line what is missing', async () => {
    const env = { ...cliEnvOf(gateway), OSTIARY_TOKEN: limited }
    const made = await runCli(env, 'keys', 'create', '--name', 'mine', '--project', 'shop', '--role', 'owner')
    assert.deepEqual([made.code, made.stdout], [1, ''])
    assert.match(made.stderr, /admin\.forbidden[\s\S]*keys:grant[\s\S]*roles \(owner\)/)
    const { id } = await mint(root, { roles: ['owner'] })
    for (const args of [
      ['update', id, '--role', 'none'],
      ['rotate', id, '--grace', '0'],
    ]) {
      const { code, stdout, stderr } = await runCli(env, 'keys', ...args)
      assert.deepEqual([code, stdout], [1, ''], args.join(' '))
      assert.match(stderr, /keys:grant/)
    }
  })
})

describe('whoever may grant', () => {
  test('is an operator of the whole gateway with keys:write, or one of a project with keys:grant', async () => {
    for (const by of [whole, granting]) {
      for (const [, settings] of grants) {
        const { id } = await mint(by, settings)
        for (const change of [settings, { scopes: null, roles: ['owner'] }, { metadata: { team: 'x' } }]) {
          assert.equal((await admin(by, 'PATCH', `/api/keys/${id}`, change)).status, 200)
        }
        assert.equal((await admin(by, 'POST', `/api/keys/${id}/rotate`, { grace: 0 })).status, 200)
      }
    }
    const { secret } = await mint(granting, { roles: ['owner'] })
    assert.equal(await useCatalog(secret), 200)
    assert.equal(await useCatalog((await mint(limited, {})).secret), 403)
  })

  test('needs keys:write beside keys:grant, and makes no token with more', async () => {
    const bootstrap = (await admin(root, 'POST', '/api/tokens', { name: 'g', scopes: ['keys:grant'] })).json
    assert.equal(bootstrap.code, 'token.exceeds_own_rights')
  })
})

test('a reload after which policies read a tag counts at once', async () => {
  const { id } = await mint(limited, { metadata: { cost: 'x' } })
  const file = join(folder, 'policies', 'cost.cedar')
  writeFileSync(
    file,
    '@id("cost") forbid (principal is Ostiary::ApiKey, action, resource) when { principal.hasTag("cost") };\n',
  )
  assert.equal((await admin(root, 'POST', '/api/config/reload')).status, 200)
  await until(
    'the reload',
    async () => (await admin(limited, 'POST', `/api/keys/${id}/rotate`, { grace: 0 })).status === 403,
  )
  await refused(/tags that policies read \(cost\)/, 'PATCH', `/api/keys/${id}`, { metadata: {} })
})
