import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import type { Ceilings, Environment, VerifiedIdentity } from '#core/principal.ts'
import { Problem, toProblemJson } from '#core/problems.ts'
import { REVOCATION_BOUND_MS } from '#core/revocation.ts'
import { ReceivedChanges } from '#store/changes.ts'
import type { CallKey, KeyStore } from '#store/ports.ts'
import { migrateSqlite, openSqliteStore, startDatabaseThread } from '#store/sqlite/open.ts'
import { createKeyFormat } from './format.ts'
import { createKeys } from './keys.ts'
import { createDigest } from './recognise.ts'
import { createKeyVerifier } from './verifier.ts'

const deploymentSecret = randomBytes(32)
const pepper = randomBytes(32)
const format = createKeyFormat('sk', deploymentSecret)
const digestOf = createDigest(pepper)
const NOW = 1_800_000_000_000
const compileCeilings = () => ceilings
const ceilings: Ceilings = { scopes: null, operations: null, allowsModel: null, allowsAddress: null }

function recordOf(text: string, over: Partial<CallKey> = {}): CallKey {
  return {
    id: `key_${text.slice(-6)}`,
    project: 'proj_default',
    environment: text.includes('_live_') ? 'live' : 'test',
    scopes: null,
    models: null,
    operations: null,
    cidrs: null,
    limits: null,
    budgets: null,
    binding: null,
    digest: digestOf(text),
    secretExpiresAt: null,
    expiresAt: null,
    disabledAt: null,
    revokedAt: null,
    roles: null,
    deniedCidrs: null,
    metadata: {},
    projectAddresses: { allow: null, deny: null },
    ...over,
  }
}

/** A refusal is answered; here it is thrown like any other failure. */
function accepted(verdict: VerifiedIdentity | Problem): VerifiedIdentity {
  if (verdict instanceof Problem) throw verdict
  return verdict
}

/** A verifier over rows in memory whose look-ups are counted and can fail. */
function setUp() {
  const rows = new Map<string, CallKey>()
  const state = { now: NOW, down: false, lookUps: 0 }
  const changes = new ReceivedChanges()
  changes.heard(performance.now(), 0)
  const keys = {
    async findByDigest(digest: string) {
      state.lookUps++
      if (state.down) throw new Problem('store.unavailable')
      return rows.get(digest)
    },
  } as KeyStore
  const verify = createKeyVerifier({
    format,
    pepper,
    compileCeilings,
    keys,
    changes,
    cacheSize: 100,
    clock: () => state.now,
  })
  return {
    state,
    changes,
    verify: async (text: string) => accepted(await verify(text)),
    mint(environment: Environment = 'live', over: Partial<CallKey> = {}) {
      const text = format.make(environment)
      const record = recordOf(text, over)
      rows.set(record.digest, record)
      return { text, record }
    },
    refusal: async (text: string): Promise<Problem> => {
      try {
        accepted(await verify(text))
      } catch (error) {
        return error as Problem
      }
      throw new Error('was admitted')
    },
  }
}

test('says whose key it is', async () => {
  const { verify, mint } = setUp()
  const bounds = {
    limits: [{ unit: 'concurrency', amount: 3 }],
    budgets: [{ unit: 'usd', amount: 5, period: 'day' }],
  } as const
  const { text, record } = mint('test', { expiresAt: NOW + 1, ...bounds })
  assert.deepEqual(await verify(text), {
    kind: 'api_key',
    id: record.id,
    project: 'proj_default',
    environment: 'test',
    expiresAt: NOW + 1,
    ceilings,
    ...bounds,
    roles: [],
    tags: {},
    binding: null,
    token: null,
  })
})

test('a made-up key reaches no look-up', async () => {
  const { refusal, state } = setUp()
  const foreign = createKeyFormat('sk', randomBytes(32)).make('live')
  for (const [text, reason] of [
    ['', 'shape'],
    ['sk-proj-abc', 'shape'],
    [`${format.make('live').slice(0, -1)}!`, 'shape'],
    [foreign.slice(0, -2) + (foreign.endsWith('00') ? '11' : '00'), 'checksum'],
    [foreign, 'tag'],
  ] as const) {
    const problem = await refusal(text)
    assert.deepEqual([problem.code, problem.reason], ['auth.invalid_credential', reason])
  }
  assert.equal(state.lookUps, 0)
})

test('made-up, unknown, revoked, disabled, rotated and expired keys give the caller the very same problem', async () => {
  const { refusal, mint } = setUp()
  const problems = await Promise.all(
    [
      'garbage',
      format.make('live'),
      mint('live', { revokedAt: NOW - 1 }).text,
      mint('live', { disabledAt: NOW - 1 }).text,
      mint('live', { secretExpiresAt: NOW }).text,
      mint('live', { expiresAt: NOW }).text,
      mint('test', { expiresAt: NOW, revokedAt: NOW }).text,
    ].map(refusal),
  )
  assert.equal(new Set(problems.map(problem => JSON.stringify(toProblemJson(problem)))).size, 1)
  assert.deepEqual(
    problems.map(({ code, headers, reason }) => [code, headers, reason]),
    ['shape', 'unknown', 'revoked', 'disabled', 'rotated', 'expired', 'revoked'].map(reason => [
      'auth.invalid_credential',
      undefined,
      reason,
    ]),
  )
})

test('names for the event the key that was revoked or expired, and none where it is unknown', async () => {
  const { refusal, mint } = setUp()
  const revoked = mint('live', { revokedAt: 1 })
  const expired = mint('live', { expiresAt: 1 })
  assert.equal((await refusal(revoked.text)).credential, revoked.record.id)
  assert.equal((await refusal(expired.text)).credential, expired.record.id)
  assert.equal((await refusal(format.make('live'))).credential, undefined)
})

test('a key lives up to its last millisecond and not through it, remembered or not', async () => {
  const { verify, refusal, mint, state } = setUp()
  const { text } = mint('live', { expiresAt: NOW + 10 })
  state.now = NOW + 9
  assert.ok(await verify(text))
  assert.ok(await verify(text))
  assert.equal(state.lookUps, 1)
  state.now = NOW + 10
  assert.equal((await refusal(text)).reason, 'expired')
})

test('a rotated secret works up to the end of its grace and not through it, remembered or not, without any message', async () => {
  const { verify, refusal, mint, state } = setUp()
  const { text } = mint('live', { secretExpiresAt: NOW + 10 })
  state.now = NOW + 9
  assert.ok(await verify(text))
  assert.ok(await verify(text))
  assert.equal(state.lookUps, 1)
  state.now = NOW + 10
  assert.equal((await refusal(text)).reason, 'rotated')
  assert.equal(state.lookUps, 1)
})

test('compiles what a key is limited to once, when it is learnt', async () => {
  const { mint, changes } = setUp()
  const { text, record } = mint('live')
  const keys = { findByDigest: async () => record }
  let compiled = 0
  const verify = createKeyVerifier({
    format,
    pepper,
    keys,
    changes,
    cacheSize: 10,
    clock: () => NOW,
    compileCeilings(key) {
      assert.equal(key, record)
      compiled++
      return ceilings
    },
  })
  for (let n = 0; n < 3; n++) assert.equal(accepted(await verify(text)).ceilings, ceilings)
  assert.equal(compiled, 1)
})

test('refuses a record that the store gave for another digest', async () => {
  const { mint, changes } = setUp()
  const { record } = mint('live')
  const keys = { findByDigest: async () => record } as unknown as KeyStore
  const verify = createKeyVerifier({ format, pepper, compileCeilings, keys, changes, cacheSize: 10, clock: () => NOW })
  await assert.rejects(async () => accepted(await verify(format.make('live'))), {
    code: 'auth.invalid_credential',
    reason: 'unknown',
  })
})

test('a remembered key works through an outage of the store while the feed is heard', async () => {
  const { verify, mint, state } = setUp()
  const { text } = mint()
  await verify(text)
  state.down = true
  assert.ok(await verify(text))
})

test('an outage of the store is store.unavailable and never an invalid credential', async t => {
  const { verify, refusal, mint, state } = setUp()
  const { text } = mint()
  await verify(text)
  state.down = true
  assert.equal((await refusal(mint().text)).code, 'store.unavailable')
  assert.equal((await refusal(format.make('live'))).code, 'store.unavailable')
  // Remembered, but nobody can say that it was not revoked meanwhile.
  const later = performance.now() + REVOCATION_BOUND_MS + 1
  t.mock.method(performance, 'now', () => later)
  assert.equal((await refusal(text)).code, 'store.unavailable')
})

async function sqlite(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'ostiary-keys-'))
  const thread = await startDatabaseThread(join(directory, 'ostiary.db'))
  await migrateSqlite(thread.connect())
  const stores = [openSqliteStore(thread.connect()), openSqliteStore(thread.connect())] as const
  t.after(async () => {
    for (const store of stores) await store[Symbol.asyncDispose]()
    await thread[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
  })
  return stores
}

test('with a real store: a key that another client revokes is refused here, though it was remembered', async t => {
  const [here, there] = await sqlite(t)
  const clock = () => NOW
  const keys = createKeys({
    format,
    pepper,
    pepperId: 'p',
    store: there.keys,
    projects: there.projects,
    modelFault: () => null,
    vocabulary: () => ({ roles: [], actions: [], tagsRead: new Set() }),
    clock,
    defaultLifetimeDays: 90,
    maxLifetimeDays: 90,
  })
  const verify = createKeyVerifier({
    format,
    pepper,
    compileCeilings,
    keys: here.keys,
    changes: here.changes,
    cacheSize: 9,
    clock,
  })
  const { record, secret } = await keys.mint({ name: 'a', environment: 'live' }, internalActor('operator'))
  assert.equal(accepted(await verify(secret.reveal())).id, record.id)
  const told = new Promise(resolve => here.changes.subscribe(resolve))
  await keys.revoke(record.id, internalActor('operator'))
  await told
  await assert.rejects(async () => accepted(await verify(secret.reveal())), {
    code: 'auth.invalid_credential',
    reason: 'revoked',
  })
})
