import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type { Change, Store } from '#store/ports.ts'
import { adapters, callEvent, key, keyEvent, type StoreUnderTest, TIMEOUT_MS, until } from './store-adapters.ts'

const unavailable = { name: 'Problem', code: 'store.unavailable' }
const conflict = { name: 'Problem', code: 'store.conflict' }

for (const [name, start] of Object.entries(adapters)) {
  describe(`the store on ${name}`, async () => {
    const adapter = await start()
    after(() => adapter[Symbol.asyncDispose]())

    const withStore = (title: string, check: (store: Store, database: StoreUnderTest) => Promise<void>) =>
      test(title, async () => {
        await using database = await adapter.open()
        await database.migrate()
        await check(await database.connect(), database)
      })

    keysBehave(withStore)
    eventsBehave(withStore)
    changesBehave(withStore)
    outagesBehave(withStore)

    test('migrates the same database from several programs at once', async () => {
      await using database = await adapter.open()
      await Promise.all([database.migrate(), database.migrate(), database.migrate()])
      const steps = await database.query('select name from migrations')
      assert.deepEqual(
        steps.map(step => step.name),
        ['0001-keys-events-changes', '0005-operator-tokens'],
      )
    })

    test('refuses a database that a newer version has migrated', async () => {
      await using database = await adapter.open()
      await database.migrate()
      await database.query("insert into migrations (name, timestamp) values ('9999-later', '2030-01-01T00:00:00Z')")
      await assert.rejects(database.migrate(), { code: 'start.database_newer', message: /9999-later/ })
    })
  })
}

type WithStore = (title: string, check: (store: Store, database: StoreUnderTest) => Promise<void>) => void

function keysBehave(withStore: WithStore): void {
  withStore('gives a key back as it was written', async store => {
    const first = key('key_1')
    const second = key('key_2', { environment: 'live', expiresAt: 9_007_199_254_740_991 })
    await store.keys.insert(first, keyEvent('evt_1'))
    await store.keys.insert(second, keyEvent('evt_2'))
    assert.deepEqual(await store.keys.findByDigest(first.digest), first)
    assert.deepEqual(await store.keys.find('key_2'), second)
    assert.deepEqual(await store.events.list({ limit: 5 }), [keyEvent('evt_2'), keyEvent('evt_1')])
  })

  withStore('knows no key that was never written', async store => {
    assert.equal(await store.keys.findByDigest('nothing'), undefined)
    assert.equal(await store.keys.find('key_0'), undefined)
  })

  withStore('refuses a second key with the same id or digest, and its event', async store => {
    await store.keys.insert(key('key_1', { digest: 'a' }), keyEvent('evt_1'))
    await assert.rejects(store.keys.insert(key('key_1', { digest: 'b' }), keyEvent('evt_2')), conflict)
    await assert.rejects(store.keys.insert(key('key_2', { digest: 'a' }), keyEvent('evt_3')), conflict)
    assert.equal((await store.keys.list({ limit: 10 })).length, 1)
    assert.equal((await store.events.list({ limit: 10 })).length, 1)
  })

  withStore('writes no key whose event cannot be written', async store => {
    await store.keys.insert(key('key_1'), keyEvent('evt_1'))
    await assert.rejects(store.keys.insert(key('key_2'), keyEvent('evt_1')), conflict)
    assert.equal(await store.keys.find('key_2'), undefined)
  })

  withStore('refuses an environment that does not exist', async store => {
    const wrong = key('key_1', { environment: 'production' as 'live' })
    await assert.rejects(store.keys.insert(wrong, keyEvent('evt_1')))
    assert.equal(await store.keys.find('key_1'), undefined)
  })

  withStore('lists keys page by page, newest first', async store => {
    for (const id of ['key_1a', 'key_1b', 'key_21', 'key_2z', 'key_30'])
      await store.keys.insert(key(id), keyEvent(`evt_${id}`))
    const ids = async (after?: string) => (await store.keys.list({ limit: 2, after })).map(found => found.id)
    assert.deepEqual(await ids(), ['key_30', 'key_2z'])
    assert.deepEqual(await ids('key_2z'), ['key_21', 'key_1b'])
    assert.deepEqual(await ids('key_1b'), ['key_1a'])
    assert.deepEqual(await ids('key_1a'), [])
  })

  withStore('revokes once: row, event and change together', async (store, database) => {
    const told: Change[] = []
    store.changes.subscribe(change => told.push(change))
    await store.keys.insert(key('key_1'), keyEvent('evt_1'))
    const revoked = key('key_1', { revokedAt: 5 })
    assert.deepEqual(await store.keys.revoke('key_1', 5, keyEvent('evt_2', 'key.revoked')), revoked)
    assert.deepEqual(await store.keys.revoke('key_1', 6, keyEvent('evt_3', 'key.revoked')), revoked)
    assert.deepEqual(await store.keys.find('key_1'), revoked)
    assert.equal(await store.keys.revoke('key_0', 6, keyEvent('evt_4', 'key.revoked')), undefined)
    assert.deepEqual(await store.events.list({ limit: 5, type: 'key.revoked' }), [keyEvent('evt_2', 'key.revoked')])
    assert.equal((await database.query('select seq from changes')).length, 1)
    await until('the change is told', () => told.length > 0)
    assert.deepEqual(told, [{ seq: told[0]?.seq, topic: 'key.revoked', subject: 'key_1' }])
  })

  withStore('does not revoke when the event cannot be written', async (store, database) => {
    await store.keys.insert(key('key_1'), keyEvent('evt_1'))
    await assert.rejects(store.keys.revoke('key_1', 5, keyEvent('evt_1', 'key.revoked')), conflict)
    assert.equal((await store.keys.find('key_1'))?.revokedAt, null)
    assert.deepEqual(await database.query('select seq from changes'), [])
  })
}

function eventsBehave(withStore: WithStore): void {
  withStore('keeps events in the order of their batches, whatever their ids', async store => {
    const batch = [callEvent('req_9'), callEvent('req_1'), callEvent('req_5')]
    await store.events.append(batch)
    await store.events.append([callEvent('req_0')])
    assert.deepEqual(await store.events.list({ limit: 10 }), [callEvent('req_0'), ...batch.toReversed()])
    assert.deepEqual(await store.events.list({ limit: 1 }), [callEvent('req_0')])
  })

  withStore('leaves an event as it is whose id comes again', async store => {
    await store.events.append([callEvent('req_1'), callEvent('req_1', { status: 500 })])
    await store.events.append([callEvent('req_1', { status: 502 }), callEvent('req_2')])
    assert.deepEqual(await store.events.list({ limit: 10 }), [callEvent('req_2'), callEvent('req_1')])
  })

  withStore('lists one type of events', async store => {
    await store.events.append([callEvent('req_1'), keyEvent('evt_1'), callEvent('req_2')])
    assert.deepEqual(await store.events.list({ limit: 10, type: 'key.created' }), [keyEvent('evt_1')])
    assert.deepEqual(await store.events.list({ limit: 10, type: 'unheard of' }), [])
  })

  withStore('writes nothing of a batch that cannot be written whole', async store => {
    await assert.rejects(store.events.append([callEvent('req_1'), callEvent('req_2', { at: 1.5 })]))
    assert.deepEqual(await store.events.list({ limit: 10 }), [])
    await store.events.append([])
  })

  withStore('records what a caller may have put into a name, NUL and lone surrogates replaced', async store => {
    await store.events.append([callEvent('req_1', { model: 'a\0b\ud800c\\u0000\u0001"\u2028' }), callEvent('req_2')])
    const [, first] = await store.events.list({ limit: 2 })
    assert.deepEqual(first, callEvent('req_1', { model: 'a\ufffdb\ufffdc\\u0000\u0001"\u2028' }))
  })
}

function changesBehave(withStore: WithStore): void {
  withStore(
    'tells every client of every change, in one order, and loses no write of many at once',
    async (store, database) => {
      const patient = () => database.connect({ timeoutMs: 30_000 })
      const clients = await Promise.all([patient(), patient(), patient(), patient()])
      const told = clients.map(client => {
        const changes: Change[] = []
        client.changes.subscribe(change => changes.push(change))
        return changes
      })
      const ids = Array.from({ length: 200 }, (_, n) => `key_${String(n).padStart(3, '0')}`)
      const clientOf = (n: number) => clients[n % clients.length] as Store
      await Promise.all(
        ids.map(async (id, n) => {
          await clientOf(n).keys.insert(key(id), keyEvent(`evt_${id}`))
          await clientOf(n + 1).keys.revoke(id, 5, keyEvent(`end_${id}`, 'key.revoked'))
        }),
      )
      assert.equal((await store.keys.list({ limit: 1000 })).filter(found => found.revokedAt === 5).length, 200)
      assert.equal((await store.events.list({ limit: 1000 })).length, 400)
      await until('all clients were told', () => told.every(changes => changes.length >= 200))
      const seqs = told[0]?.map(change => change.seq) ?? []
      assert.deepEqual(
        seqs,
        seqs.toSorted((a, b) => a - b),
      )
      assert.deepEqual(told[0]?.map(change => change.subject).toSorted(), ids)
      for (const changes of told) assert.deepEqual(changes, told[0])
    },
  )

  withStore('tells nothing of what was before, nor after a listener has left', async (store, database) => {
    for (const id of ['key_1', 'key_2', 'key_3']) await store.keys.insert(key(id), keyEvent(`evt_${id}`))
    await store.keys.revoke('key_1', 5, keyEvent('evt_1', 'key.revoked'))
    const late = await database.connect()
    const [stayed, left]: [string[], string[]] = [[], []]
    late.changes.subscribe(change => stayed.push(change.subject))
    const leave = late.changes.subscribe(change => left.push(change.subject))
    await store.keys.revoke('key_2', 5, keyEvent('evt_2', 'key.revoked'))
    await until('the second is told', () => stayed.length === 1)
    leave()
    await store.keys.revoke('key_3', 5, keyEvent('evt_3', 'key.revoked'))
    await until('the third is told', () => stayed.length === 2)
    assert.deepEqual(stayed, ['key_2', 'key_3'])
    assert.deepEqual(left, ['key_2'])
  })

  withStore('hears from the store about every second', async store => {
    await until('a first heartbeat', () => store.changes.heardAt() > 0)
    const first = store.changes.heardAt()
    await until('a second heartbeat', () => store.changes.heardAt() > first)
    assert.ok(store.changes.heardAt() - first < 2000)
    assert.ok(store.changes.heardAt() <= performance.now())
  })

  withStore('forgets changes after a day, but never the newest', async (store, database) => {
    const day = 24 * 60 * 60 * 1000
    for (const [n, at] of [1000, 2000, day + 1500].entries()) {
      await store.keys.insert(key(`key_${n}`), keyEvent(`evt_${n}`))
      await store.keys.revoke(`key_${n}`, at, keyEvent(`end_${n}`, 'key.revoked'))
    }
    const kept = await database.query('select subject from changes order by seq')
    assert.deepEqual(
      kept.map(change => change.subject),
      ['key_1', 'key_2'],
    )
  })
}

function outagesBehave(withStore: WithStore): void {
  withStore('answers an outage with store.unavailable, in time, and recovers by itself', async (store, database) => {
    await store.keys.insert(key('key_1'), keyEvent('evt_1'))
    await database.fail()
    const asked = performance.now()
    const answers = [
      store.ping(),
      store.keys.find('key_1'),
      store.keys.findByDigest('x'),
      store.keys.list({ limit: 1 }),
      store.keys.insert(key('key_2'), keyEvent('evt_2')),
      store.keys.revoke('key_1', 5, keyEvent('evt_3', 'key.revoked')),
      store.events.append([callEvent('req_1')]),
      store.events.list({ limit: 1 }),
    ]
    for (const answer of answers) await assert.rejects(answer, unavailable)
    assert.ok(performance.now() - asked < TIMEOUT_MS + 250)
    const silentSince = store.changes.heardAt()
    await database.recover()
    await store.keys.insert(key('key_2'), keyEvent('evt_2'))
    assert.deepEqual(await store.keys.find('key_1'), key('key_1'))
    await until('the feed is alive again', () => store.changes.heardAt() > silentSince)
  })

  withStore('tells after an outage what was committed while it could not hear', async (store, database) => {
    const told: string[] = []
    store.changes.subscribe(change => told.push(change.subject))
    await until('the feed is alive', () => store.changes.heardAt() > 0)
    await store.keys.insert(key('key_1'), keyEvent('evt_1'))
    await store.keys.revoke('key_1', 5, keyEvent('evt_2', 'key.revoked'))
    await until('the first is told', () => told.length === 1)
    await database.fail()
    await database.recover()
    await database.query("insert into changes (topic, subject, at) values ('key.revoked', 'key_2', 5)")
    await until('the second is told', () => told.length === 2)
    assert.deepEqual(told, ['key_1', 'key_2'])
  })
}
