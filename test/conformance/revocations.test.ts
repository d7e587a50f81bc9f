import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { MAX_REVOKED_VALUE, revocationKinds, revocationTarget } from '#core/revocation.ts'
import type { Store } from '#store/ports.ts'
import type { RevocationRecord, TokenQuery } from '#store/revocations-port.ts'
import { tokenStanding, toParameters } from '#store/token-standing.ts'
import { adapters, keyEvent, type StoreUnderTest, until } from './store-adapters.ts'

const NOW = 1_800_000_000_123

function entry(id: string, over: Partial<RevocationRecord> = {}): RevocationRecord {
  return {
    id: `rev_${id}`,
    issuer: 'company',
    kind: 'subject',
    value: 'ada',
    notBefore: NOW,
    reason: 'für Тест 🔑',
    createdAt: NOW,
    createdBy: 'tok_1',
    expiresAt: NOW + 1000,
    ...over,
  }
}

function token(over: Partial<TokenQuery> = {}): TokenQuery {
  return {
    issuer: 'company',
    token: 'jti-1',
    subject: 'ada',
    client: 'app',
    session: 'sid-1',
    keyId: 'k1',
    keyThumbprint: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
    issuedAt: NOW - 1000,
    project: 'proj_default',
    ...over,
  }
}

const created = (id: string) => ({ ...keyEvent(`evt_${id}`, 'revocation.created'), subject: `rev_${id}` })
const none = { revoked: null, projectExists: true, projectAddresses: { allow: null, deny: null } }

for (const [name, start] of Object.entries(adapters)) {
  describe(`revocations on ${name}`, async () => {
    const adapter = await start()
    after(() => adapter[Symbol.asyncDispose]())

    const withStore = (title: string, check: (store: Store, database: StoreUnderTest) => Promise<void>) =>
      test(title, async () => {
        await using database = await adapter.open()
        await database.migrate()
        await check(await database.connect({ timeoutMs: 20_000 }), database)
      })
    const add = (store: Store, id: string, over: Partial<RevocationRecord> = {}) =>
      store.revocations.insert(entry(id, over), created(id))

    withStore('gives an entry back as it was written, with its event and its change', async store => {
      const told: unknown[] = []
      store.changes.subscribe(({ topic, subject }) => told.push({ topic, subject }))
      const plain = { notBefore: null, reason: null, expiresAt: null, kind: 'token' } as const
      await add(store, '1')
      await add(store, '2', plain)
      assert.deepEqual(await store.revocations.find('rev_1'), entry('1'))
      assert.deepEqual(await store.revocations.find('rev_2'), entry('2', plain))
      assert.equal(await store.revocations.find('rev_3'), undefined)
      await until('both changes', () => told.length === 2)
      assert.deepEqual(told[0], { topic: 'token.revoked', subject: revocationTarget('company', 'subject', 'ada') })
      assert.deepEqual(told[1], { topic: 'token.revoked', subject: revocationTarget('company', 'token', 'ada') })
      const events = await store.events.list({ limit: 9, type: 'revocation.created' })
      assert.deepEqual(
        events.map(({ id }) => id),
        ['evt_2', 'evt_1'],
      )
    })

    withStore('writes neither entry nor change where the event cannot be written, nor an id twice', async store => {
      const told: unknown[] = []
      store.changes.subscribe(change => told.push(change))
      await add(store, '1')
      await assert.rejects(store.revocations.insert(entry('2'), created('1')))
      await assert.rejects(store.revocations.insert(entry('1'), created('3')), { code: 'store.conflict' })
      assert.equal(await store.revocations.find('rev_2'), undefined)
      await add(store, '4')
      await until('the last change', () => told.length > 1)
      assert.equal(told.length, 2)
    })

    withStore('judges a token by each of its names, and by no other', async store => {
      const names = { token: 'jti-1', subject: 'ada', client: 'app', session: 'sid-1', key: 'k1' } as const
      for (const kind of revocationKinds) {
        assert.deepEqual(await store.revocations.judge(token()), none)
        // The same word as a name of another kind, of another issuer, or as a part of a name.
        for (const other of revocationKinds.filter(other => other !== kind)) {
          await add(store, `${kind}-${other}`, { kind: other, value: names[kind] })
        }
        await add(store, `${kind}-elsewhere`, { kind, value: names[kind], issuer: 'partner' })
        await add(store, `${kind}-longer`, { kind, value: `${names[kind]}%` })
        assert.deepEqual(await store.revocations.judge(token()), none)
        await add(store, kind, { kind, value: names[kind] })
        assert.deepEqual(await store.revocations.judge(token()), { ...none, revoked: kind })
        const lifted = await store.revocations.delete(`rev_${kind}`, () => keyEvent(`evt_no-${kind}`))
        assert.equal(lifted?.kind, kind)
      }
      const thumbprint = token().keyThumbprint as string
      await add(store, 'thumbprint', { kind: 'key', value: thumbprint, notBefore: null })
      assert.equal((await store.revocations.judge(token({ keyId: null }))).revoked, 'key')
      assert.deepEqual(await store.revocations.judge(token({ keyThumbprint: null })), none)
    })

    withStore('refuses what was issued at or before the moment, or does not say when', async store => {
      await add(store, '1')
      const revoked = async (issuedAt: number | null) => (await store.revocations.judge(token({ issuedAt }))).revoked
      assert.deepEqual(
        [await revoked(NOW - 1), await revoked(NOW), await revoked(NOW + 1), await revoked(null)],
        ['subject', 'subject', null, 'subject'],
      )
      // A later entry for the same adds to it; an earlier one takes nothing away.
      await add(store, '2', { notBefore: NOW + 5 })
      await add(store, '3', { notBefore: NOW - 5 })
      assert.deepEqual([await revoked(NOW + 5), await revoked(NOW + 6)], ['subject', null])
      await add(store, '4', { notBefore: null })
      assert.equal(await revoked(NOW + 1_000_000), 'subject')
    })

    withStore('judges a token with no names but its subject', async store => {
      const bare = token({ token: null, client: null, session: null, keyId: null, keyThumbprint: null })
      assert.deepEqual(await store.revocations.judge(bare), none)
      await add(store, '1', { kind: 'client', value: 'null' })
      assert.deepEqual(await store.revocations.judge(bare), none)
      await add(store, '2')
      assert.equal((await store.revocations.judge(bare)).revoked, 'subject')
    })

    withStore('compares values byte by byte, at their longest, and takes quotes for what they are', async store => {
      const long = '𝒳'.repeat(MAX_REVOKED_VALUE / 2)
      for (const [i, value] of [long, "' or 1=1 --", 'Ada', 'e\u0301'].entries()) {
        await add(store, String(i), { kind: 'token', value })
        const judged = (text: string) => store.revocations.judge(token({ token: text }))
        assert.equal((await judged(value)).revoked, 'token')
        assert.deepEqual(await judged(`${value} `), none)
        assert.deepEqual(await judged(value.normalize('NFC').toLowerCase().slice(1)), none)
      }
      assert.deepEqual(await store.revocations.judge(token({ token: 'ada' })), none)
      assert.deepEqual(await store.revocations.judge(token({ token: '\u00e9' })), none)
    })

    withStore('tells whether the project is there, and tells of its end', async store => {
      const told: unknown[] = []
      store.changes.subscribe(({ topic, subject }) => told.push([topic, subject]))
      const project = {
        id: 'proj_shop',
        name: 'shop',
        description: null,
        cidrs: ['10.0.0.0/8'],
        deniedCidrs: null,
        metadata: {},
        version: 1,
      }
      const standing = () => store.revocations.judge(token({ project: 'proj_shop' }))
      assert.deepEqual(await standing(), { ...none, projectExists: false })
      await store.projects.insert({ ...project, createdAt: NOW, updatedAt: NOW }, keyEvent('evt_a', 'project.created'))
      const limited = { ...none, projectAddresses: { allow: ['10.0.0.0/8'], deny: null } }
      assert.deepEqual(await standing(), limited)
      await add(store, '1')
      assert.deepEqual(await standing(), { ...limited, revoked: 'subject' })
      await store.projects.remove('proj_shop', () => keyEvent('evt_b', 'project.deleted'))
      assert.equal((await standing()).projectExists, false)
      await until('the change', () => told.length === 2)
      assert.deepEqual(told[1], ['project.deleted', 'proj_shop'])
    })

    withStore('lists the newest first, by pages and filters', async store => {
      await add(store, '1')
      await add(store, '2', { kind: 'token', value: 'jti-1' })
      await add(store, '3', { issuer: 'partner' })
      const ids = async (query: object) => (await store.revocations.list({ limit: 9, ...query })).map(({ id }) => id)
      assert.deepEqual(await ids({}), ['rev_3', 'rev_2', 'rev_1'])
      assert.deepEqual(await ids({ limit: 1 }), ['rev_3'])
      assert.deepEqual(await ids({ after: 'rev_3' }), ['rev_2', 'rev_1'])
      assert.deepEqual(await ids({ issuer: 'partner' }), ['rev_3'])
      assert.deepEqual(await ids({ kind: 'token' }), ['rev_2'])
      assert.deepEqual(await ids({ value: 'ada', after: 'rev_3' }), ['rev_1'])
      assert.deepEqual(await ids({ issuer: 'company', kind: 'subject', value: 'jti-1' }), [])
    })

    withStore('lifts an entry once, with its event', async store => {
      await add(store, '1')
      const lift = (event: string) =>
        store.revocations.delete('rev_1', seen => {
          assert.deepEqual(seen, entry('1'))
          return keyEvent(event, 'revocation.deleted')
        })
      const [first, second] = await Promise.all([lift('evt_2'), lift('evt_3')])
      assert.deepEqual(
        [first, second].filter(one => one !== undefined),
        [entry('1')],
      )
      assert.equal((await store.events.list({ limit: 9, type: 'revocation.deleted' })).length, 1)
      assert.deepEqual(await store.revocations.judge(token()), none)
    })

    withStore('prunes what ended, in steps, and nothing else; until then an entry refuses', async store => {
      for (const id of ['1', '2', '3']) await add(store, id, { expiresAt: NOW })
      await add(store, '4', { expiresAt: NOW + 1, kind: 'token', value: 'jti-1' })
      await add(store, '5', { expiresAt: null, kind: 'key', value: 'k9' })
      assert.equal(await store.revocations.prune(NOW, 9), 0)
      assert.equal((await store.revocations.judge(token())).revoked === null, false)
      assert.deepEqual([await store.revocations.prune(NOW + 1, 2), await store.revocations.prune(NOW + 1, 2)], [2, 1])
      assert.deepEqual(
        (await store.revocations.list({ limit: 9 })).map(({ id }) => id),
        ['rev_5', 'rev_4'],
      )
    })

    withStore('searches by the index', async (store, database) => {
      const rows = `insert into revocations (id, issuer, kind, value, not_before, created_at, created_by)
        select 'rev_x' || i, 'company', 'subject', 'user ' || i, 5, 5, 'x' from n`
      const numbers = 'with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)'
      await database.query(`${numbers} ${rows}`)
      await database.query(name === 'SQLite' ? 'analyze' : 'analyze revocations')
      const values = toParameters(token({ subject: 'user 7', issuedAt: 5 }))
      const literal = (n: number) => (typeof values[n - 1] === 'string' ? `'${values[n - 1]}'` : String(values[n - 1]))
      const explain = name === 'SQLite' ? 'explain query plan' : 'explain'
      const plan = JSON.stringify(await database.query(`${explain} ${tokenStanding(literal)}`))
      assert.match(plan, /revocations_target/)
      assert.doesNotMatch(plan, /SCAN revocations|Seq Scan on revocations/)
      assert.equal((await store.revocations.judge(token({ subject: 'user 7', issuedAt: 5 }))).revoked, 'subject')
    })
  })
}
