import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { after, describe, test } from 'node:test'
import { lockDatabase } from '#store/postgres/node-lock.ts'
import { migratePostgres, openPostgresStore } from '#store/postgres/open.ts'
import { startPostgres, withClient } from '../support/postgres.ts'
import { appendCalls, callEvent, key, keyEvent, revoke, until } from './store-adapters.ts'

const unavailable = { name: 'Problem', code: 'store.unavailable' }
const inUse = { name: 'Problem', code: 'start.database_in_use' }

describe('the store on PostgreSQL alone', async () => {
  const server = await startPostgres()
  after(() => server[Symbol.asyncDispose]())

  async function migratedDatabase(): Promise<string> {
    const url = await server.createDatabase()
    await migratePostgres(url)
    return url
  }

  test('answers store.unavailable in time when the server falls silent, and recovers with connections of its own', async () => {
    await using line = await interruptibleLine(await migratedDatabase())
    await using store = await openPostgresStore({ url: line.url, timeoutMs: 400, poolSize: 2 })
    await store.keys.insert(key('key_1'), keyEvent('evt_1'))
    line.silence()
    for (let round = 0; round < 2; round++) {
      const asked = performance.now()
      await Promise.all([
        assert.rejects(store.keys.find('key_1'), unavailable),
        assert.rejects(appendCalls(store, [callEvent(`req_${round}`)]), unavailable),
        assert.rejects(store.keys.insert(key('key_2'), keyEvent('evt_2')), unavailable),
        assert.rejects(store.ping(), unavailable),
      ])
      assert.ok(performance.now() - asked < 700)
    }
    const silentSince = store.changes.heardAt()
    // What was silent stays so, as behind a router that forgot its connections: only new ones work.
    line.acceptAnew()
    await until('the store answers', () =>
      store.ping().then(
        () => true,
        () => false,
      ),
    )
    assert.deepEqual(await store.keys.find('key_1'), key('key_1'))
    await until('the feed is alive', () => store.changes.heardAt() > silentSince)
  })

  test('survives that the server ends its sessions, idle and busy', async () => {
    const url = await migratedDatabase()
    await using store = await openPostgresStore({ url })
    const told: string[] = []
    store.changes.subscribe(change => told.push(change.subject))
    await store.keys.insert(key('key_1'), keyEvent('evt_1'))
    await withClient(url, async client => {
      await client.query('begin; lock table audit_decisions in access exclusive mode')
      const busy = appendCalls(store, [callEvent('req_1')])
      const waiting = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
      await until('the append waits for the lock', async () => (await client.query(waiting)).rowCount === 1)
      const others = 'from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()'
      await Promise.all([assert.rejects(busy, unavailable), client.query(`select pg_terminate_backend(pid) ${others}`)])
      await client.query('commit')
    })
    await revoke(store, 'key_1', 5, keyEvent('evt_2', 'key.revoked'))
    await until('the change is told', () => told.length === 1)
  })

  test('bounds a statement that waits for a lock', async () => {
    const url = await migratedDatabase()
    await using store = await openPostgresStore({ url, timeoutMs: 300 })
    await withClient(url, async client => {
      await client.query('begin; lock table audit_decisions in access exclusive mode')
      const asked = performance.now()
      await assert.rejects(appendCalls(store, [callEvent('req_1')]), unavailable)
      assert.ok(performance.now() - asked < 600)
    })
    await appendCalls(store, [callEvent('req_2')])
  })

  test('tells of every change although their transactions end in another order than they began', async () => {
    const url = await migratedDatabase()
    await using store = await openPostgresStore({ url })
    const told: number[] = []
    store.changes.subscribe(change => told.push(change.seq))
    await using others = await openPostgresStore({ url, poolSize: 10, timeoutMs: 20_000 })
    const ids = Array.from({ length: 60 }, (_, n) => `key_${n}`)
    for (const id of ids) await others.keys.insert(key(id), keyEvent(`evt_${id}`))
    await Promise.all(ids.map(id => revoke(others, id, 5, keyEvent(`end_${id}`, 'key.revoked'))))
    await until('all are told', () => told.length === ids.length)
  })

  test('does not open on a server that is not there', async () => {
    const url = 'postgres://postgres@127.0.0.1:1/none'
    await assert.rejects(openPostgresStore({ url }), unavailable)
    await assert.rejects(migratePostgres(url), unavailable)
    await assert.rejects(lockDatabase(url), unavailable)
  })

  test('lets one node use a database at a time', async () => {
    const url = await server.createDatabase()
    const holder = await lockDatabase(url)
    await assert.rejects(lockDatabase(url), inUse)
    await using _elsewhere = await lockDatabase(await server.createDatabase())
    await holder[Symbol.asyncDispose]()
    await using _next = await lockDatabase(url)
  })

  test('takes its lock again after the server has restarted', async () => {
    const url = await server.createDatabase()
    await using _holder = await lockDatabase(url)
    await server.stop()
    await server.start()
    await until('the lock is held again', () => isHeld(url))
  })

  test('tells a node that lost its lock to another', async () => {
    const url = await server.createDatabase()
    await using line = await interruptibleLine(url)
    await using holder = await lockDatabase(line.url)
    line.cut()
    await until('the server has noticed', async () => !(await isHeld(url)))
    await using _rival = await lockDatabase(url)
    line.acceptAnew()
    assert.equal((await holder.lost).code, 'start.database_in_use')
  })
})

async function isHeld(url: string): Promise<boolean> {
  const held = `select from pg_locks join pg_database on pg_database.oid = pg_locks.database
    where locktype = 'advisory' and objid = 3 and datname = current_database()`
  return withClient(url, async client => (await client.query(held)).rowCount === 1)
}

/** A way to the server that a test can disturb. */
async function interruptibleLine(url: string) {
  const target = new URL(url)
  const { hostname, port } = target
  const sockets = new Set<Socket>()
  let open = true
  const proxy = createServer(caller => {
    sockets.add(caller.on('error', () => {}))
    if (!open) return
    const callee = connect(Number(port), hostname)
    sockets.add(callee.on('error', () => {}))
    caller.pipe(callee).pipe(caller)
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  target.port = `${(proxy.address() as AddressInfo).port}`
  const cut = () => {
    open = false
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: target.href,
    /** Connections stay, but nothing comes through, and new ones get no answer. */
    silence() {
      open = false
      for (const socket of sockets) socket.unpipe().pause()
    },
    cut,
    acceptAnew() {
      open = true
    },
    async [Symbol.asyncDispose]() {
      cut()
      proxy.close()
      await once(proxy, 'close')
    },
  }
}
