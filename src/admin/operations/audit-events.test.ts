import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import { fastify } from 'fastify'
import { admitCaller } from '#admin/caller.ts'
import { viewEvent } from '#admin/event-view.ts'
import type { CallEvent, ChangeEvent } from '#core/events.ts'
import type { Operator } from '#core/operator.ts'
import { migrateSqlite, openSqliteStore, startDatabaseThread } from '#store/sqlite/open.ts'
import { auditEvents } from './audit-events.ts'

const AT = Date.UTC(2026, 0, 31)

function change(id: string, project: string | null): ChangeEvent {
  const own = { actor: 'op_1', source: null, requestId: null, subject: `key_of_${project}`, detail: { someName: 1 } }
  return { type: 'key.created', id, at: AT, project, ...own }
}

/** The operation over a real store, called by an operator of these projects. */
async function setUp(t: TestContext, projects: Operator['projects'], id = 'op_1') {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-events-'))
  const thread = await startDatabaseThread(join(folder, 'ostiary.db'))
  await migrateSqlite(thread.connect())
  const store = openSqliteStore(thread.connect())
  t.after(async () => {
    await store[Symbol.asyncDispose]()
    await thread[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })
  for (const event of [change('evt_1', 'a'), change('evt_2', 'b'), change('evt_3', null), change('evt_4', 'a')]) {
    await store.events.record(event)
  }
  const server = fastify().setValidatorCompiler(TypeBoxValidatorCompiler).withTypeProvider<TypeBoxTypeProvider>()
  const operator = { id, scopes: new Set(['audit:read'] as const), projects }
  server.addHook('onRequest', async request => admitCaller(request, operator))
  auditEvents(server, { events: store.events, deploymentSecret: Buffer.alloc(32, 7) })
  return async (query: string) => (await server.inject(`/api/audit/events?${query}`)).json()
}

const idsOf = (page: { events: { id: string }[] }) => page.events.map(({ id }) => id)

test('an operator of projects sees the events of these and no others, whatever is asked for', async t => {
  const list = await setUp(t, new Set(['a']))
  assert.deepEqual(idsOf(await list('')), ['evt_4', 'evt_1'])
  assert.deepEqual(idsOf(await list('project=a')), ['evt_4', 'evt_1'])
  // As for a project that there is not.
  assert.deepEqual(await list('project=b'), await list('project=c'))
  assert.deepEqual(idsOf(await list('key=key_of_b')), [])
  assert.deepEqual([idsOf(await list('id=evt_1')), idsOf(await list('id=evt_2'))], [['evt_1'], []])
  assert.deepEqual(idsOf(await list('type=key.created&limit=1')), ['evt_4'])
})

test('an operator of the whole gateway sees all events, in the form of the API', async t => {
  const list = await setUp(t, null)
  const page = await list('')
  assert.deepEqual(idsOf(page), ['evt_4', 'evt_3', 'evt_2', 'evt_1'])
  assert.deepEqual(page.events[0], {
    type: 'key.created',
    id: 'evt_4',
    at: '2026-01-31T00:00:00.000Z',
    actor: 'op_1',
    source: null,
    request_id: null,
    project: 'a',
    subject: 'key_of_a',
    detail: { someName: 1 },
  })
})

test('where a page ended is sealed: it says nothing, not by its length either, and is one operator’s own', async t => {
  const list = await setUp(t, null)
  const cursors = new Set<string>()
  const ids: string[] = []
  for (let after = ''; ; ) {
    const page = await list(`limit=1${after}`)
    ids.push(...idsOf(page))
    if (page.next === null) break
    cursors.add(page.next)
    after = `&after=${page.next}`
  }
  assert.deepEqual(ids, ['evt_4', 'evt_3', 'evt_2', 'evt_1'])
  for (const cursor of cursors) {
    assert.equal(cursor.length, [...cursors][0]?.length)
    assert.ok(!Buffer.from(cursor, 'base64url').includes('changes'))
  }
  const [cursor = ''] = cursors
  const inTheClear = Buffer.from('1769817600000.2.0.changes').toString('base64url')
  const changed = `${cursor.slice(0, 30)}${cursor[30] === 'A' ? 'B' : 'A'}${cursor.slice(31)}`
  for (const after of [inTheClear, changed, cursor.slice(0, -4), 'A']) {
    assert.equal((await list(`after=${after}`)).code, 'admin.invalid_input', after)
  }
  const foreign = await setUp(t, new Set(['a']), 'op_2')
  assert.equal((await foreign(`after=${cursor}`)).code, 'admin.invalid_input')
})

test('a call’s event shows what it used and cost in the form of the API', () => {
  const usage = { source: 'provider', input: 5, cachedInput: 2, output: 1 }
  const view = viewEvent({ type: 'call', at: AT, usage, costNanoUsd: 42 } as unknown as CallEvent)
  assert.deepEqual(view, {
    type: 'call',
    at: '2026-01-31T00:00:00.000Z',
    usage: { source: 'provider', input: 5, cached_input: 2, output: 1 },
    cost_nano_usd: 42,
  })
})
