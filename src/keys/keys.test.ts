import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { inspect } from 'node:util'
import { modelActions } from '#core/action.ts'
import { internalActor } from '#core/actor.ts'
import { migrateSqlite, openSqliteStore, type SqliteStore, startDatabaseThread } from '#store/sqlite/open.ts'
import { createKeyFormat } from './format.ts'
import { createKeys } from './keys.ts'
import { createDigest } from './recognise.ts'

const DAY = 86_400_000
const NOW = 1_800_000_000_000
const pepper = randomBytes(32)
const format = createKeyFormat('sk', randomBytes(32))
const open = new AsyncDisposableStack()
let store: SqliteStore
let file = ''

before(async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ostiary-keys-'))
  open.defer(() => rmSync(directory, { recursive: true }))
  file = join(directory, 'ostiary.db')
  const thread = open.use(await startDatabaseThread(file))
  await migrateSqlite(thread.connect())
  store = open.use(openSqliteStore(thread.connect()))
})
after(() => open.disposeAsync())

function keysWith(defaultLifetimeDays: number | null, maxLifetimeDays: number | null, clock = () => NOW) {
  return createKeys({
    format,
    pepper,
    pepperId: 'p1',
    store: store.keys,
    projects: store.projects,
    modelFault: () => null,
    vocabulary: () => ({ roles: ['developer'], actions: modelActions, tagsRead: new Set() }),
    clock,
    defaultLifetimeDays,
    maxLifetimeDays,
  })
}

test('mints a working key, and stores its digest and hint but not its text', async () => {
  const { record, secret } = await keysWith(90, 90).mint(
    { name: 'mine', environment: 'test' },
    internalActor('operator'),
  )
  const text = secret.reveal()
  assert.equal(format.check(text), null)
  assert.match(text, /^sk_test_/)
  assert.match(record.id, /^key_[0-9a-z]{26}$/)
  const digest = createDigest(pepper)(text)
  assert.equal((await store.keys.findByDigest(digest))?.id, record.id)
  assert.deepEqual(await store.keys.find(record.id), record)
  assert.deepEqual(
    { ...record, id: '' },
    {
      id: '',
      project: 'proj_default',
      name: 'mine',
      environment: 'test',
      roles: null,
      scopes: null,
      models: null,
      operations: null,
      cidrs: null,
      deniedCidrs: null,
      limits: null,
      budgets: null,
      binding: null,
      metadata: {},
      version: 1,
      createdAt: NOW,
      createdBy: 'operator',
      updatedAt: NOW,
      expiresAt: NOW + 90 * DAY,
      disabledAt: null,
      revokedAt: null,
      lastUsedAt: null,
      lastUsedFrom: null,
      expiryWarnedAt: null,
      leakReportedAt: null,
      secrets: [{ digest, pepperId: 'p1', hint: `sk_test_…${text.slice(-4)}`, createdAt: NOW, expiresAt: null }],
    },
  )
  assert.doesNotMatch(inspect({ record, secret }), new RegExp(text))
  using database = new DatabaseSync(file, { readOnly: true })
  const rows = ['keys', 'key_secrets', 'audit_changes', 'audit_decisions', 'changes'].flatMap(table =>
    database.prepare(`select * from ${table}`).all(),
  )
  assert.ok(rows.length >= 2)
  assert.doesNotMatch(JSON.stringify(rows), new RegExp(text.slice(8, 36)))
})

const lifetimes: readonly (readonly [
  given: number | null | undefined,
  byDefault: number | null,
  max: number | null,
  expiry: number | null | 'refused',
])[] = [
  [undefined, 90, 90, NOW + 90 * DAY],
  [undefined, 30, 90, NOW + 30 * DAY],
  [undefined, null, null, null],
  [undefined, null, 90, 'refused'],
  [undefined, 91, 90, 'refused'],
  [1000, 90, 90, NOW + 1000],
  [90 * DAY, 30, 90, NOW + 90 * DAY],
  [90 * DAY + 1, 30, 90, 'refused'],
  [null, 90, 90, 'refused'],
  [null, 90, null, null],
  [1000 * DAY, 90, null, NOW + 1000 * DAY],
]

for (const [given, byDefault, max, expiry] of lifetimes) {
  test(`lifetime ${given}, by default ${byDefault} days, at most ${max} days: ${expiry}`, async () => {
    const minted = keysWith(byDefault, max).mint(
      { name: 'x', environment: 'live', lifetimeMs: given },
      internalActor('operator'),
    )
    if (expiry === 'refused') await assert.rejects(minted, { code: 'key.lifetime_exceeded' })
    else assert.equal((await minted).record.expiresAt, expiry)
  })
}

test('writes who minted and who revoked', async () => {
  const keys = keysWith(90, 90)
  const { record } = await keys.mint({ name: 'x', environment: 'live' }, internalActor('alice'))
  await keys.revoke(record.id, internalActor('bob'))
  const events = (await store.events.list({ limit: 2 })).map(({ id, ...event }) => [id.slice(0, 4), event])
  const about = {
    at: NOW,
    source: null,
    requestId: null,
    project: 'proj_default',
    subject: record.id,
  }
  assert.deepEqual(events, [
    ['evt_', { type: 'key.revoked', actor: 'bob', ...about, detail: { environment: 'live', name: 'x' } }],
    [
      'evt_',
      {
        type: 'key.created',
        actor: 'alice',
        ...about,
        detail: { environment: 'live', name: 'x', expires_at: NOW + 90 * DAY },
      },
    ],
  ])
})

test('a second revocation changes nothing and writes nothing', async () => {
  let now = NOW
  const keys = keysWith(90, 90, () => now)
  const { record } = await keys.mint({ name: 'x', environment: 'live' }, internalActor('operator'))
  now += 5
  assert.equal((await keys.revoke(record.id, internalActor('operator'))).revokedAt, NOW + 5)
  const before = await store.events.list({ limit: 1000 })
  now += 5
  assert.equal((await keys.revoke(record.id, internalActor('operator'))).revokedAt, NOW + 5)
  assert.deepEqual(await store.events.list({ limit: 1000 }), before)
})

test('says that there is no such key to revoke', async () => {
  await assert.rejects(keysWith(90, 90).revoke('key_nothing', internalActor('operator')), { code: 'key.not_found' })
})

test('lists the newest first, page by page', async () => {
  let now = NOW + DAY
  const keys = keysWith(90, 90, () => now++)
  const ids: string[] = []
  for (const name of ['a', 'b', 'c'])
    ids.unshift((await keys.mint({ name, environment: 'live' }, internalActor('operator'))).record.id)
  const first = await keys.list({ limit: 2 }, internalActor('operator'))
  const next = await keys.list({ limit: 1, after: first[1]?.id }, internalActor('operator'))
  assert.deepEqual(
    [...first, ...next].map(({ id }) => id),
    ids,
  )
})
