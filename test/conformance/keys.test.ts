import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { Problem } from '#core/problems.ts'
import type { KeyQuery, KeyRecord, KeySecret, Store } from '#store/ports.ts'
import { adapters, digestOf, key, keyEvent, revoke, type StoreUnderTest, until } from './store-adapters.ts'

const NOW = 1_800_000_001_000

for (const [name, start] of Object.entries(adapters)) {
  describe(`keys on ${name}`, async () => {
    const adapter = await start()
    after(() => adapter[Symbol.asyncDispose]())

    const withStore = (title: string, check: (store: Store, database: StoreUnderTest) => Promise<void>) =>
      test(title, async () => {
        await using database = await adapter.open()
        await database.migrate()
        await check(await database.connect({ timeoutMs: 20_000 }), database)
      })

    secretsBehave(withStore)
    changesBehave(withStore)
    listsBehave(withStore)
    usesBehave(withStore)
    warningsBehave(withStore)

    test('brings the keys of the first version along: in the default project, with their secrets', async () => {
      await using database = await adapter.open()
      for (const statement of firstVersion(name)) await database.query(statement)
      await database.migrate()
      const store = await database.connect()
      assert.deepEqual(await store.keys.find('key_old'), {
        ...key('key_old'),
        createdAt: 5,
        createdBy: 'unknown',
        updatedAt: 9,
        expiresAt: 7,
        revokedAt: 9,
        name: 'an old one',
        secrets: [{ digest: 'old', pepperId: 'p0', hint: 'sk_test_…wxyz', createdAt: 5, expiresAt: null }],
      })
      const found = await store.keys.findByDigest('old2')
      assert.deepEqual([found?.id, found?.revokedAt, found?.project], ['key_old2', null, 'proj_default'])
      assert.equal(await store.keys.newestPepperId(), 'p0')
    })
  })
}

/** The tables as the released first step made them, with two keys. */
function firstVersion(database: string): string[] {
  const [id, integer, json, sequence, end] =
    database === 'SQLite'
      ? ['text', 'integer', 'text', 'integer', 'strict']
      : ['text collate "C"', 'bigint', 'jsonb', 'bigint generated always as identity', '']
  return [
    `create table keys (id ${id} primary key, name text not null, environment text not null
      check (environment in ('live', 'test')), digest text not null unique, pepper_id text not null, hint text not null,
      created_at ${integer} not null, expires_at ${integer}, revoked_at ${integer}) ${end}`,
    `create table events (seq ${sequence} primary key, id ${id} not null unique, at ${integer} not null,
      type text not null, data ${json} not null) ${end}`,
    `create index events_rare_type_seq on events (type, seq) where type <> 'call'`,
    `create table changes (seq ${sequence} primary key, topic text not null, subject ${id} not null,
      at ${integer} not null) ${end}`,
    'create index changes_at on changes (at)',
    `create table migrations (name varchar(255) not null primary key, timestamp varchar(255) not null)`,
    `insert into migrations values ('0001-keys-events-changes', '2026-01-01T00:00:00Z')`,
    `insert into keys values ('key_old', 'an old one', 'test', 'old', 'p0', 'sk_test_…wxyz', 5, 7, 9)`,
    `insert into keys values ('key_old2', 'another', 'live', 'old2', 'p0', 'sk_live_…wxyz', 6, null, null)`,
  ]
}

type WithStore = (title: string, check: (store: Store, database: StoreUnderTest) => Promise<void>) => void

function secret(digest: string, createdAt: number): KeySecret {
  return { digest, pepperId: 'pepper_1', hint: 'sk_test_…efgh', createdAt, expiresAt: null }
}

async function rotate(store: Store, id: string, digest: string, at: number, graceEndsAt: number) {
  const [changed] = await store.keys.change([id], at, () => ({
    set: { updatedAt: at },
    rotation: { secret: secret(digest, at), graceEndsAt },
    events: [keyEvent(`evt_${digest}`, 'key.rotated')],
  }))
  return changed
}

function secretsBehave(withStore: WithStore): void {
  withStore('a rotated secret is known until its grace ends; a later rotation never makes that later', async store => {
    await store.keys.insert(key('key_1', { digest: 'a' }), keyEvent('evt_1'))
    const endOf = async (digest: string) => (await store.keys.findByDigest(digest))?.secretExpiresAt
    await rotate(store, 'key_1', 'b', NOW, NOW + 100)
    assert.deepEqual([await endOf('a'), await endOf('b')], [NOW + 100, null])
    await rotate(store, 'key_1', 'c', NOW + 10, NOW + 500)
    assert.deepEqual([await endOf('a'), await endOf('b'), await endOf('c')], [NOW + 100, NOW + 500, null])
    await rotate(store, 'key_1', 'd', NOW + 20, NOW + 50)
    assert.deepEqual(
      [await endOf('a'), await endOf('b'), await endOf('c'), await endOf('d')],
      [NOW + 50, NOW + 50, NOW + 50, null],
    )
    const found = await store.keys.find('key_1')
    assert.deepEqual(
      found?.secrets.map(({ digest }) => digest),
      ['d', 'c', 'b', 'a'],
    )
    assert.equal(found?.version, 4)
  })

  withStore('refuses a rotation onto a secret that exists, and leaves all as it was', async store => {
    await store.keys.insert(key('key_1', { digest: 'a' }), keyEvent('evt_1'))
    await store.keys.insert(key('key_2', { digest: 'b' }), keyEvent('evt_2'))
    await assert.rejects(rotate(store, 'key_1', 'b', NOW, NOW), { code: 'store.conflict' })
    assert.deepEqual(await store.keys.find('key_1'), key('key_1', { digest: 'a' }))
    assert.equal((await store.events.list({ limit: 9, type: 'key.rotated' })).length, 0)
  })

  withStore('finds the keys of many secrets, in their order', async store => {
    for (const id of ['key_1', 'key_2']) await store.keys.insert(key(id), keyEvent(`evt_${id}`))
    const digests = [digestOf('key_2'), 'nothing', digestOf('key_1'), digestOf('key_2')]
    const found = await store.keys.findBySecrets(digests)
    assert.deepEqual(
      found.map(each => each?.id),
      ['key_2', undefined, 'key_1', 'key_2'],
    )
    assert.deepEqual(await store.keys.findBySecrets([]), [])
    assert.deepEqual(await store.keys.findBySecrets(['nothing']), [undefined])
  })

  withStore('a call learns all that it needs of a key', async store => {
    const ceilings = {
      scopes: ['chat:create'],
      models: ['gpt-*'],
      operations: ['openai.chat'],
      roles: ['developer', 'buyer'],
      cidrs: ['10.0.0.0/8', '::1'],
      deniedCidrs: ['10.1.0.0/16'],
      metadata: { team: 'für Тест 🔑' },
      limits: [{ unit: 'requests', amount: 5, windowSeconds: 60 }],
      budgets: [{ unit: 'usd', amount: 0.5, period: 'month' }],
      binding: { kind: 'dpop', thumbprint: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' },
    } as const
    await store.keys.insert(key('key_1', { ...ceilings, expiresAt: 9, disabledAt: 8 }), keyEvent('evt_1'))
    assert.deepEqual(await store.keys.findByDigest(digestOf('key_1')), {
      id: 'key_1',
      project: 'proj_default',
      environment: 'test',
      ...ceilings,
      expiresAt: 9,
      disabledAt: 8,
      revokedAt: null,
      digest: digestOf('key_1'),
      secretExpiresAt: null,
      projectAddresses: { allow: null, deny: null },
    })
  })

  withStore('refuses a key of a project that does not exist', async store => {
    const stray = key('key_1', { project: 'proj_none' })
    await assert.rejects(store.keys.insert(stray, keyEvent('evt_1')), { code: 'project.not_found' })
    assert.equal(await store.keys.find('key_1'), undefined)
  })
}

function changesBehave(withStore: WithStore): void {
  withStore('changes row, version, event and feed together, once each', async (store, database) => {
    const told: string[] = []
    store.changes.subscribe(change => told.push(change.subject))
    for (const id of ['key_1', 'key_2']) await store.keys.insert(key(id), keyEvent(`evt_${id}`))
    const set = {
      name: 'other',
      scopes: ['chat:create'],
      limits: [{ unit: 'requests' as const, amount: 5, windowSeconds: 60 }],
      budgets: [{ unit: 'usd' as const, amount: 0.5, period: 'month' as const }],
      binding: { kind: 'certificate' as const, thumbprint: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' },
      metadata: { team: 'a', 'cost.center': '7' },
      disabledAt: 5,
    }
    const changed = await store.keys.change(['key_2', 'key_0', 'key_1', 'key_2'], NOW, ({ id }) =>
      id === 'key_2' ? { set, events: [keyEvent('evt_3', 'key.updated')] } : null,
    )
    const wanted = key('key_2', { ...set, version: 2 })
    assert.deepEqual(changed, [wanted, undefined, key('key_1'), wanted])
    assert.deepEqual(await store.keys.find('key_2'), wanted)
    await until('the change is told', () => told.length > 0)
    assert.deepEqual(told, ['key_2'])
    assert.equal((await database.query('select seq from changes')).length, 1)
    const [back] = await store.keys.change(['key_2'], NOW, () => ({
      set: { scopes: null, binding: null, disabledAt: null },
      events: [],
    }))
    assert.deepEqual([back?.scopes, back?.binding, back?.disabledAt, back?.version], [null, null, null, 3])
  })

  withStore('what stands against one change undoes them all', async (store, database) => {
    for (const id of ['key_1', 'key_2']) await store.keys.insert(key(id), keyEvent(`evt_${id}`))
    const refused = new Problem('key.ended')
    await assert.rejects(
      store.keys.change(['key_1', 'key_2'], NOW, ({ id }) => {
        if (id === 'key_2') throw refused
        return { set: { revokedAt: 5 }, events: [keyEvent('evt_3', 'key.revoked')] }
      }),
      refused,
    )
    assert.deepEqual(await store.keys.find('key_1'), key('key_1'))
    assert.deepEqual(await database.query('select seq from changes'), [])
  })

  withStore('loses no change of many clients at once, to one key and to several', async (store, database) => {
    const clients = await Promise.all([1, 2, 3, 4].map(() => database.connect({ timeoutMs: 30_000 })))
    const ids = ['key_1', 'key_2', 'key_3', 'key_4', 'key_5']
    for (const id of ids) await store.keys.insert(key(id), keyEvent(`evt_${id}`))
    const uses = (at: number) => ids.toReversed().map(id => ({ id, at, source: '::1' }))
    await Promise.all(
      clients.flatMap((client, c) =>
        Array.from({ length: 10 }, async (_, n) => {
          // In another order by each, and beside the uses that calls leave: nobody may wait in a circle.
          const order = n % 2 === 0 ? ids : ids.toReversed()
          await client.keys.change(order, NOW, found => ({
            set: { metadata: { ...found.metadata, [`c${c}-${n}`]: 'x' } },
            events: [keyEvent(`evt_${found.id}_${c}_${n}`, 'key.updated')],
          }))
          await client.keys.noteUses(uses(c * 100 + n))
        }),
      ),
    )
    for (const id of ids) {
      const found = (await store.keys.find(id)) as KeyRecord
      assert.equal(Object.keys(found.metadata).length, 40)
      assert.equal(found.version, 41)
      assert.equal(found.lastUsedAt, 309)
    }
  })
}

function listsBehave(withStore: WithStore): void {
  const rows: readonly KeyRecord[] = [
    key('key_1', { name: 'b', expiresAt: 50, lastUsedAt: 7, metadata: { team: 'x' } }),
    key('key_2', { name: 'a', environment: 'live', revokedAt: 1, metadata: { team: 'y', 'a.b': 'x' } }),
    key('key_3', { name: 'B', expiresAt: 200, disabledAt: 1, project: 'proj_a' }),
    key('key_4', { name: 'b', expiresAt: 100, lastUsedAt: 9, project: 'proj_a' }),
    key('key_5', { name: 'ä', disabledAt: 1, expiresAt: 100 }),
  ]
  const at = (is: 'active' | 'disabled' | 'expired' | 'revoked') => ({ status: { is, now: 100 } })
  const cases: readonly (readonly [title: string, query: Omit<KeyQuery, 'limit'>, ids: string])[] = [
    ['the newest first', {}, '54321'],
    ['the oldest first', { ascending: true }, '12345'],
    ['by name', { sort: 'name', ascending: true }, '32145'],
    ['by name, backwards', { sort: 'name' }, '54123'],
    ['by end, none being the last', { sort: 'expires_at', ascending: true }, '14532'],
    ['by last use, never being the first', { sort: 'last_used_at', ascending: true }, '23514'],
    ['of an environment', { environment: 'live' }, '2'],
    ['of a name', { name: 'b' }, '41'],
    ['active ones', at('active'), ''],
    ['disabled ones, unless they ended', at('disabled'), '3'],
    ['expired ones, also disabled', at('expired'), '541'],
    ['revoked ones', at('revoked'), '2'],
    ['not revoked', { unrevoked: true }, '5431'],
    ['of a project', { projects: new Set(['proj_a']) }, '43'],
    ['of no project', { projects: new Set() }, ''],
    ['with a tag', { metadata: { name: 'team', value: 'x' } }, '1'],
    ['with a tag whose name has a dot', { metadata: { name: 'a.b', value: 'x' } }, '2'],
    ['with a tag that nobody has', { metadata: { name: "te'am", value: 'x' } }, ''],
    ['by hint', { hint: { begins: 'sk_test_', now: 0 } }, '54321'],
    ['by another hint', { hint: { begins: 'sk_live_', now: 0 } }, ''],
    ['by hint, taken as it is', { hint: { begins: '%', now: 0 } }, ''],
  ]
  withStore('lists keys as they are asked for, whole and page by page', async store => {
    const project = {
      name: 'a',
      description: null,
      cidrs: null,
      deniedCidrs: null,
      metadata: {},
      version: 1,
      createdAt: 1,
      updatedAt: 1,
    }
    await store.projects.insert({ ...project, id: 'proj_a' }, keyEvent('evt_a', 'project.created'))
    for (const row of rows) await store.keys.insert(row, keyEvent(`evt_${row.id}`))
    const idOf = ({ id }: KeyRecord) => id.slice(-1)
    for (const [title, query, ids] of cases) {
      assert.equal((await store.keys.list({ limit: 9, ...query })).map(idOf).join(''), ids, title)
      const paged: string[] = []
      for (let last: string | undefined; ; ) {
        const [found] = await store.keys.list({ limit: 1, after: last, ...query })
        if (found === undefined) break
        last = found.id
        paged.push(idOf(found))
      }
      assert.equal(paged.join(''), ids, `${title}, page by page`)
    }
  })

  withStore('a page after a key of another project says nothing of where that key stands', async store => {
    const project = {
      name: 'a',
      description: null,
      cidrs: null,
      deniedCidrs: null,
      metadata: {},
      version: 1,
      createdAt: 1,
      updatedAt: 1,
    }
    await store.projects.insert({ ...project, id: 'proj_a' }, keyEvent('evt_a', 'project.created'))
    for (const row of rows) await store.keys.insert(row, keyEvent(`evt_${row.id}`))
    const projects = new Set(['proj_a'])
    assert.deepEqual(await store.keys.list({ limit: 9, sort: 'name', ascending: true, after: 'key_2', projects }), [])
    assert.equal(
      (await store.keys.list({ limit: 9, sort: 'name', ascending: true, after: 'key_3', projects })).length,
      1,
    )
  })
}

function usesBehave(withStore: WithStore): void {
  withStore('keeps the latest use of a key, in whatever order uses are told; no change of the key', async store => {
    for (const id of ['key_1', 'key_2']) await store.keys.insert(key(id), keyEvent(`evt_${id}`))
    await store.keys.noteUses([
      { id: 'key_1', at: 20, source: '10.0.0.1' },
      { id: 'key_0', at: 20, source: '10.0.0.1' },
    ])
    await store.keys.noteUses([{ id: 'key_1', at: 10, source: '10.0.0.2' }])
    await store.keys.noteUses([])
    assert.deepEqual(await store.keys.find('key_1'), key('key_1', { lastUsedAt: 20, lastUsedFrom: '10.0.0.1' }))
    assert.deepEqual(await store.keys.find('key_2'), key('key_2'))
  })
}

function warningsBehave(withStore: WithStore): void {
  withStore('announces the end of a key once, however many look for it', async (store, database) => {
    const other = await database.connect({ timeoutMs: 20_000 })
    for (const row of [
      key('key_1', { expiresAt: NOW + 5 }),
      key('key_2', { expiresAt: NOW + 11 }),
      key('key_3', { expiresAt: NOW - 1 }),
      key('key_4'),
      key('key_5', { expiresAt: NOW + 10 }),
      key('key_6', { expiresAt: NOW + 5 }),
    ])
      await store.keys.insert(row, keyEvent(`evt_${row.id}`))
    await revoke(store, 'key_6', NOW, keyEvent('evt_r', 'key.revoked'))
    const warn = (client: Store) =>
      client.keys.warnExpiring({ now: NOW, end: NOW + 10, limit: 10 }, ({ id }) => ({
        ...keyEvent(`evt_end_${id}_${Math.random()}`, 'key.expiring'),
        subject: id,
      }))
    const told = await Promise.all([warn(store), warn(other), warn(store), warn(other)])
    assert.equal(
      told.reduce((sum, n) => sum + n, 0),
      2,
    )
    const events = await store.events.list({ limit: 9, type: 'key.expiring' })
    assert.deepEqual(events.map(event => 'subject' in event && event.subject).toSorted(), ['key_1', 'key_5'])
    assert.equal((await store.keys.find('key_1'))?.expiryWarnedAt, NOW)
    assert.equal(await warn(store), 0)
  })

  withStore('announces a bounded number at a time, the next to end first', async store => {
    for (const n of [3, 1, 2]) await store.keys.insert(key(`key_${n}`, { expiresAt: NOW + n }), keyEvent(`evt_${n}`))
    const told: string[] = []
    for (let n = 2; n > 0; ) {
      n = await store.keys.warnExpiring({ now: NOW, end: NOW + 10, limit: 2 }, ({ id }) => {
        told.push(id)
        return keyEvent(`evt_end_${id}`, 'key.expiring')
      })
    }
    assert.deepEqual(told, ['key_1', 'key_2', 'key_3'])
  })
}
