import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { startOstiary } from '#app.ts'
import type { CallEvent } from '#core/events.ts'
import { REVOCATION_BOUND_MS } from '#core/revocation.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { postgresAvailable, startPostgres, type TestPostgres, withClient } from '../support/postgres.ts'
import { askAdmin, callOnce, callOver, createDeployment, startLoad, startProcess } from '../support/process.ts'

const REVOCATIONS = 20
const WAITING = `select 1 from pg_locks where locktype = 'advisory' and not granted`
const YAML = 'store: { kind: postgres, url: env:DATABASE, poolSize: 2 }\n'
const available = postgresAvailable()
if (!available) assert.notEqual(process.env.CI, 'true', 'CI must have PostgreSQL')

describe('the gateway on PostgreSQL', { skip: !available && 'needs PostgreSQL' }, () => {
  let server: TestPostgres
  let database: string
  let gateway: Gateway
  before(async () => {
    server = await startPostgres()
    database = await server.createDatabase()
    gateway = await startGateway({ workers: 2, yaml: YAML, env: { DATABASE: database } })
  })
  after(async () => {
    await gateway?.[Symbol.asyncDispose]()
    await server?.[Symbol.asyncDispose]()
  })

  async function mint(name: string): Promise<{ readonly id: string; readonly secret: string }> {
    const { status, json } = await askAdmin(gateway, '/api/keys', { name, environment: 'test' })
    assert.equal(status, 201, JSON.stringify(json))
    const { key, secret } = json as { key: { id: string }; secret: string }
    return { id: key.id, secret }
  }

  test('answers a call and records it', async () => {
    const { status, id } = await callOnce(gateway.url, gateway.testKey)
    assert.equal(status, 200)
    const event = await gateway.event(id)
    assert.deepEqual([event.outcome, event.status, event.principal?.environment], ['completed', 200, 'test'])
    assert.equal((await callOnce(gateway.url, `${gateway.testKey}x`)).status, 401)
    const [refused] = await gateway.refusals()
    assert.deepEqual([refused?.problem, refused?.reason], ['auth.invalid_credential', 'shape'])
  })

  test('takes only what every database can keep', async () => {
    for (const name of ['a\0b', 'a\u001bb']) {
      const { status, json } = await askAdmin(gateway, '/api/keys', { name })
      assert.deepEqual([status, json.code], [400, 'admin.invalid_input'], JSON.stringify(name))
    }
    assert.equal((await askAdmin(gateway, '/api/keys?after=%00')).status, 400)
    assert.equal((await askAdmin(gateway, '/api/keys', { name: '\ud800' })).status, 201, 'a lone surrogate is replaced')
    // The name of a model is the caller's to choose: its event must not stop those of others.
    const body = JSON.stringify({ model: 'a\0b\ud800', messages: [] })
    const { status, id } = await callOnce(gateway.url, gateway.testKey, { body })
    assert.equal(status, 404)
    assert.equal((await gateway.event(id)).problem, 'model.not_found')
  })

  test(`${REVOCATIONS} revocations each reach every worker within the bound`, async t => {
    const lines = new Map<number, Agent>()
    await until('a connection to each worker', async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      const { worker } = await gateway.event((await callOver(agent, gateway.url, gateway.testKey)).id)
      if (lines.has(worker)) agent.destroy()
      else lines.set(worker, agent)
      return lines.size === 2
    })
    let worst = 0
    for (let n = 0; n < REVOCATIONS; n++) {
      const { id, secret } = await mint(`revoked ${n}`)
      for (const line of lines.values()) assert.equal((await callOver(line, gateway.url, secret)).status, 200)
      const asked = performance.now()
      assert.equal((await askAdmin(gateway, `/api/keys/${id}/revoke`, {})).status, 200)
      await Promise.all(
        [...lines.values()].map(async line => {
          while ((await callOver(line, gateway.url, secret)).status !== 401) {
            assert.ok(performance.now() - asked < REVOCATION_BOUND_MS, `${id} is still accepted`)
          }
          worst = Math.max(worst, performance.now() - asked)
        }),
      )
    }
    for (const line of lines.values()) line.destroy()
    t.diagnostic(`slowest from request to refusal everywhere: ${worst.toFixed(1)} ms`)
  })

  test('refuses a second node on its database, and the first goes on', async () => {
    using other = createDeployment(YAML, { DATABASE: database })
    await assert.rejects(startOstiary({ env: other.env }), { name: 'Problem', code: 'start.database_in_use' })
    assert.equal((await callOnce(gateway.url, gateway.testKey)).status, 200)
  })

  test('refuses to start where no server answers', async () => {
    using other = createDeployment(YAML, { DATABASE: 'postgres://postgres@127.0.0.1:1/none' })
    await assert.rejects(startOstiary({ env: other.env }), { name: 'Problem', code: 'store.unavailable' })
  })

  test('goes on with remembered keys while the server is down, gives 503 for others, and recovers', async () => {
    const stranger = await mint('not seen yet')
    await using load = startLoad(gateway.url, gateway.testKey, 4, { headers: { 'x-ostiary-sandbox': 'latency=20' } })
    await until('calls', () => (load.statuses()[200] ?? 0) > 20)
    await server.stop()
    const refused = await ask(`${gateway.url}/v1/models`, {
      method: 'GET',
      headers: { authorization: `Bearer ${stranger.secret}` },
    })
    assert.deepEqual([refused.status, JSON.parse(refused.text).error.code], [503, 'store.unavailable'])
    assert.equal(refused.headers['retry-after'], '1')
    assert.equal((await callOnce(gateway.url, `${stranger.secret}x`)).status, 401)
    const ready = await ask(`${gateway.adminUrl}/readyz`, { method: 'GET' })
    assert.equal(ready.status, 503)
    assert.ok(JSON.parse(ready.text).not_ready.includes('store'), ready.text)
    assert.equal((await ask(`${gateway.adminUrl}/healthz`, { method: 'GET' })).status, 200)
    const minting = await askAdmin(gateway, '/api/keys', { name: 'meanwhile' })
    assert.deepEqual([minting.status, minting.json.code], [503, 'store.unavailable'])
    assert.deepEqual(load.problems(), [])
    await until('distrust', () => load.statuses()[503] !== undefined, REVOCATION_BOUND_MS + 3000)

    await server.start()
    await until('recovery', async () => (await callOnce(gateway.url, stranger.secret)).status === 200)
    await until('readiness', async () => (await ask(`${gateway.adminUrl}/readyz`, { method: 'GET' })).status === 200)
    await load.stop()
    assert.deepEqual(load.problems(), ['store.unavailable'], 'never 401')
    const served = load.statuses()[200] ?? 0
    const ids = new Set(load.lines.flatMap(line => line.ids))
    const events = await until('the events that waited', async () => {
      const found = (await gateway.ostiary.store.events.list({ limit: 200_000, type: 'call' })) as CallEvent[]
      const own = found.filter(({ id, status }) => ids.has(id) && status === 200)
      return own.length >= served && own
    })
    assert.equal(new Set(events.map(({ id }) => id)).size, served)
    // The node takes its lock back by itself. Only then may another try: in between it would get it.
    await withClient(database, client =>
      until('the lock', async () => {
        const { rows } = await client.query("select 1 from pg_locks where locktype = 'advisory' and objid = 3")
        return rows.length > 0
      }),
    )
    using other = createDeployment(YAML, { DATABASE: database })
    await assert.rejects(startOstiary({ env: other.env }), { name: 'Problem', code: 'start.database_in_use' })
  })

  test('stops when another node has taken its database over meanwhile', async () => {
    const taken = await server.createDatabase()
    using deployment = createDeployment(YAML, { DATABASE: taken })
    await using process = await startProcess(deployment)
    await withClient(taken, async client => {
      // As after an interruption: the lock's connection ends, and somebody who waits for the lock has it at once.
      const taking = client.query('select pg_advisory_lock(1869838433, 3)')
      await withClient(taken, async other => {
        await until('the wait', async () => (await other.query(WAITING)).rows.length > 0)
        await other.query(`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted`)
      })
      await taking
      assert.deepEqual(await process.exited, { code: 1, signal: null })
    })
    assert.match(process.stderr(), /Another Ostiary runs on this database \(start\.database_in_use\)/)
  })
})
