import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import type { ChangeEvent } from '#core/events.ts'
import { REVOCATION_BOUND_MS } from '#core/revocation.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { postgresAvailable, startPostgres } from '../support/postgres.ts'
import { askAdmin, bootstrapToken, callOnce, callOver, startLoad, takeDatabaseAway } from '../support/process.ts'
import { lineToEachWorker, measureEndings, revokeTokens, tokenEndings } from '../support/revocations.ts'
import { type IssuerKeyPair, startTokenIssuer, type TokenIssuer } from '../support/token-issuer.ts'

// Real tokens, a real server of keys, real gateways.

const EACH = 10

let issuer: TokenIssuer
before(async () => {
  issuer = await startTokenIssuer(1 + 2 * EACH)
})
after(() => issuer[Symbol.asyncDispose]())

const configuration = () => `issuers:\n  company:${issuer.yaml()}`

async function lift({ adminUrl, dataDirectory }: Gateway, id: unknown): Promise<number> {
  const headers = { authorization: `Bearer ${bootstrapToken(dataDirectory)}` }
  return (await ask(`${adminUrl}/api/revocations/${id}`, { method: 'DELETE', headers })).status
}

const entryOf = ({ json }: { readonly json: Record<string, unknown> }) => json.revocation as Record<string, unknown>
const seconds = () => Math.floor(Date.now() / 1000)

describe('tokens that are revoked', () => {
  test('in each of the ways end on each of four workers within the bound', async t => {
    await using gateway = await startGateway({ workers: 4, yaml: configuration() })
    for (const [way, ending] of Object.entries(tokenEndings(issuer))) {
      const { worstMs, stale } = await measureEndings(gateway, EACH, [ending])
      t.diagnostic(`by ${way}: ${worstMs.toFixed(1)} ms at most; ${stale} calls accepted after the answer`)
    }
  })

  test('in any of the ways end on each of four workers within the bound, on PostgreSQL', async t => {
    if (!postgresAvailable()) {
      assert.notEqual(process.env.CI, 'true', 'CI must have PostgreSQL')
      return t.skip('needs PostgreSQL')
    }
    await using server = await startPostgres()
    const yaml = `store: { kind: postgres, url: env:DATABASE }\n${configuration()}`
    await using gateway = await startGateway({ workers: 4, yaml, env: { DATABASE: await server.createDatabase() } })
    const { worstMs, stale } = await measureEndings(gateway, 12, Object.values(tokenEndings(issuer)))
    t.diagnostic(`slowest: ${worstMs.toFixed(1)} ms; ${stale} calls accepted after the answer`)
  })

  test('stay refused when they are presented again and again, and others go on', async () => {
    await using gateway = await startGateway({ workers: 2, yaml: configuration() })
    const [ada, adas, bob] = await Promise.all(['ada', 'ada', 'bob'].map(sub => issuer.sign({ sub })))
    const lines = await lineToEachWorker(gateway)
    const call = async (token: string) =>
      Promise.all(lines.map(async line => (await callOver(line, gateway.url, token)).status))
    for (const token of [ada, adas, bob]) assert.deepEqual(await call(token as string), [200, 200])
    assert.equal((await revokeTokens(gateway, 'subject', 'ada')).status, 201)
    await until('the refusal', async () => (await call(ada as string)).every(status => status === 401))
    for (let n = 0; n < 10; n++) {
      assert.deepEqual(await call(ada as string), [401, 401])
      assert.deepEqual(await call(adas as string), [401, 401])
      assert.deepEqual(await call(bob as string), [200, 200])
    }
    for (const line of lines) line.destroy()
  })
})

describe('a gateway', () => {
  let gateway: Gateway
  before(async () => {
    const partner = issuer.yaml().replace(`issuer: ${issuer.url}`, `issuer: ${issuer.url}/partner`)
    gateway = await startGateway({ workers: 2, yaml: `${configuration()}  partner:${partner}` })
  })
  after(() => gateway[Symbol.asyncDispose]())

  const becomes = (status: number, token: string) =>
    until(`${status}`, async () => {
      const calls = await Promise.all([1, 2, 3, 4].map(() => callOnce(gateway.url, token)))
      return calls.every(call => call.status === status)
    })

  test('takes tokens that were issued later', async () => {
    const at = seconds()
    const [earlier, then, later, stranger] = await Promise.all([
      issuer.sign({ sub: 'eve', iat: at - 1 }),
      issuer.sign({ sub: 'eve', iat: at }),
      issuer.sign({ sub: 'eve', iat: at + 1 }),
      issuer.sign({ sub: 'eve', iss: `${issuer.url}/partner` }),
    ])
    for (const token of [earlier, then, later, stranger]) await becomes(200, token)
    const more = { not_before: new Date(at * 1000).toISOString(), reason: 'laptop stolen' }
    const made = await revokeTokens(gateway, 'subject', 'eve', more)
    assert.equal(made.status, 201)
    for (const token of [earlier, then]) await becomes(401, token)
    for (const token of [later, stranger]) await becomes(200, token)
    // Lifted, all are good again: refusals are not remembered.
    assert.equal(await lift(gateway, entryOf(made).id), 200)
    for (const token of [earlier, then, later, stranger]) await becomes(200, token)
  })

  test('records who was refused and by what kind of entry, and answers nothing of it', async () => {
    const good = await issuer.sign({ sub: 'mallory', sid: 'session 7' })
    await becomes(200, good)
    const { json } = await revokeTokens(gateway, 'session', 'session 7')
    const { id } = entryOf({ json })
    await becomes(401, good)
    const bad = await callOnce(gateway.url, `${good.slice(0, -6)}AAAAAA`)
    const refused = await callOnce(gateway.url, good)
    assert.deepEqual(JSON.parse(refused.text), JSON.parse(bad.text))
    const found = await until('the refusal', async () =>
      (await gateway.refusals()).find(({ reason }) => reason === 'token_revoked_session'),
    )
    assert.deepEqual([found.problem, found.credential], ['auth.invalid_credential', 'company:mallory'])
    await lift(gateway, id)
    const [lifted, created] = await Promise.all(
      (['revocation.deleted', 'revocation.created'] as const).map(
        async type => (await gateway.ostiary.store.events.list({ limit: 1, type }))[0] as ChangeEvent,
      ),
    )
    for (const event of [lifted, created]) {
      assert.deepEqual([event?.subject, event?.actor, event?.project], [id, 'bootstrap', null])
      const { issuer: of, kind, value } = (event?.detail ?? {}) as Record<string, unknown>
      assert.deepEqual([of, kind, value], ['company', 'session', 'session 7'])
    }
  })

  test('accepts nobody any more whose verification was under way when they were revoked', async () => {
    const lines = await lineToEachWorker(gateway)
    for (let round = 0; round < 10; round++) {
      const sub = `racer ${round}`
      const tokens = await Promise.all(Array.from({ length: 30 }, () => issuer.sign({ sub })))
      const agent = new Agent({ keepAlive: true, maxSockets: 8 })
      const calls = tokens.map(token => callOver(agent, gateway.url, token))
      await Promise.race(calls)
      assert.equal((await revokeTokens(gateway, 'subject', sub)).status, 201)
      for (const { status } of await Promise.all(calls)) assert.ok(status === 200 || status === 401)
      agent.destroy()
      const revokedAt = performance.now()
      for (const line of lines) {
        for (const token of tokens) {
          while ((await callOver(line, gateway.url, token)).status !== 401) {
            assert.ok(performance.now() - revokedAt < REVOCATION_BOUND_MS, 'still accepted')
          }
        }
      }
    }
    for (const line of lines) line.destroy()
  })

  test('refuses what was revoked on a worker that took the place of a dead one', async () => {
    const [revoked, good] = await Promise.all([issuer.sign({ sub: 'frank' }), issuer.sign({ sub: 'grace' })])
    for (const token of [revoked, good]) await becomes(200, token)
    await revokeTokens(gateway, 'subject', 'frank')
    const { supervisor } = gateway.ostiary
    for (let n = 0; n < 2; n++) {
      const [worker] = supervisor.workers
      await worker?.terminate()
      await until(
        'its replacement',
        () => supervisor.workers.length === 2 && !supervisor.workers.includes(worker as never),
      )
      await becomes(401, revoked)
      await becomes(200, good)
    }
  })

  test('ends remembered tokens of a key that their issuer publishes no more', async () => {
    const [first, second] = issuer.published as [IssuerKeyPair, IssuerKeyPair]
    const before = issuer.published
    await using spare = await startTokenIssuer(1)
    await using own = await startGateway({ workers: 1, yaml: configuration() })
    const old = await issuer.sign({ sub: 'henry' }, first)
    assert.equal((await callOnce(own.url, old)).status, 200)
    try {
      const [fresh] = spare.published as [IssuerKeyPair]
      const next = { ...fresh, keyId: 'next', jwk: { ...fresh.jwk, kid: 'next' } }
      issuer.published = [second, next]
      assert.equal((await callOnce(own.url, old)).status, 200, 'nobody has told of it')
      assert.equal((await callOnce(own.url, await issuer.sign({ sub: 'henry' }, next))).status, 200)
      assert.equal((await callOnce(own.url, old)).status, 401)
    } finally {
      issuer.published = before
    }
  })

  test('ends remembered tokens of a project that is deleted', async () => {
    await using own = await startGateway({ workers: 2, yaml: configuration() })
    const by = internalActor('test')
    const { id } = await own.ostiary.projects.create({ name: 'brief', description: null, metadata: {} }, by)
    await writeFile(own.configFile, `issuers:\n  company:${issuer.yaml(`project: ${id}`)}`)
    await own.ostiary.reload('test')
    const token = await issuer.sign({ sub: 'nina' })
    const lines = await lineToEachWorker(own)
    const call = () => Promise.all(lines.map(async line => (await callOver(line, own.url, token)).status))
    assert.deepEqual(await call(), [200, 200])
    await own.ostiary.projects.delete(id, by, () => {})
    await until('the refusal', async () => (await call()).every(status => status === 401))
    for (const line of lines) line.destroy()
    const refusals = await own.refusals()
    assert.deepEqual([...new Set(refusals.map(({ reason }) => reason))], ['token_project'])
  })
})

test('what was revoked stays so over a restart, as long as it must', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-revoked-'))
  try {
    const [revoked, good] = await Promise.all([issuer.sign({ sub: 'ivan' }), issuer.sign({ sub: 'judy' })])
    {
      await using gateway = await startGateway({ folder, yaml: configuration() })
      assert.equal((await revokeTokens(gateway, 'subject', 'ivan')).status, 201)
    }
    await using gateway = await startGateway({ folder })
    assert.equal((await callOnce(gateway.url, revoked)).status, 401)
    assert.equal((await callOnce(gateway.url, good)).status, 200)
    const { json } = await askAdmin(gateway, '/api/revocations')
    assert.equal((json.revocations as unknown[]).length, 1)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('while the store is away remembered tokens are good for the bound at most; others and then all are answered 503', async t => {
  await using gateway = await startGateway({ workers: 1, yaml: configuration() })
  const { ostiary, url } = gateway
  const [known, stranger, revoked] = await Promise.all(['kim', 'leo', 'max'].map(sub => issuer.sign({ sub })))
  await using load = startLoad(url, known as string, 2, { headers: { 'x-ostiary-sandbox': 'latency=20' } })
  await until('calls', () => (load.statuses()[200] ?? 0) > 10)
  await revokeTokens(gateway, 'subject', 'max')
  const giveBack = await takeDatabaseAway(ostiary)
  const diedAt = performance.now()
  for (const token of [stranger, revoked]) {
    const refused = await callOnce(url, token as string)
    assert.deepEqual([refused.status, JSON.parse(refused.text).error.code], [503, 'store.unavailable'])
  }
  assert.deepEqual(Object.keys(load.statuses()), ['200'], 'the remembered token')
  await until('distrust', () => load.statuses()[503] !== undefined, REVOCATION_BOUND_MS + 3000)
  const distrustedMs = performance.now() - diedAt
  t.diagnostic(`remembered tokens were trusted for ${distrustedMs.toFixed()} ms`)
  assert.ok(distrustedMs > REVOCATION_BOUND_MS - 1200 && distrustedMs < REVOCATION_BOUND_MS + 1000)
  assert.deepEqual(load.problems(), ['store.unavailable'], 'never 401')
  giveBack()
  await until('recovery', async () => (await callOnce(url, stranger as string)).status === 200)
  await load.stop()
  assert.deepEqual(load.problems(), ['store.unavailable'])
  assert.equal((await callOnce(url, revoked as string)).status, 401)
})
