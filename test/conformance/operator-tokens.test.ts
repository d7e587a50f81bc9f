import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { openBootstrap, resetBootstrap } from '#bootstrap.ts'
import type { Actor } from '#core/actor.ts'
import type { ChangeEvent } from '#core/events.ts'
import { type AdminScope, adminScopes, type Operator } from '#core/operator.ts'
import { createOperatorTokens, type NewOperatorToken, type OperatorTokens } from '#keys/operator-tokens.ts'
import type { Store } from '#store/ports.ts'
import { adapters, keyEvent, type StoreUnderTest } from './store-adapters.ts'

const DAY_MS = 86_400_000
const START = 1_800_000_000_000
const A = `proj_${'a'.repeat(26)}`
const B = `proj_${'b'.repeat(26)}`

async function makeProjects(store: Store): Promise<void> {
  for (const id of [A, B]) {
    const project = {
      id,
      name: id,
      description: null,
      cidrs: null,
      deniedCidrs: null,
      metadata: {},
      version: 1,
      createdAt: 1,
      updatedAt: 1,
    }
    await store.projects.insert(project, { ...keyEvent(`evt_${id}`), type: 'project.created' })
  }
}

/** Tokens over a real store, with a clock that the test turns. */
interface Bench {
  readonly tokens: OperatorTokens
  readonly store: Store
  readonly file: string
  readonly clock: { now: number }
  /** How often it was told that the bootstrap token has ended. */
  readonly ended: { count: number }
  bootstrap(): Promise<string>
}

for (const [name, start] of Object.entries(adapters)) {
  describe(`operator tokens on ${name}`, async () => {
    const adapter = await start()
    after(() => adapter[Symbol.asyncDispose]())

    const bench = (title: string, check: (bench: Bench) => Promise<void>, maxLifetimeDays: number | null = 90) =>
      test(title, async () => {
        await using database: StoreUnderTest = await adapter.open()
        await database.migrate()
        const folder = mkdtempSync(join(tmpdir(), 'ostiary-tokens-'))
        try {
          const store = await database.connect()
          const clock = { now: START }
          const ended = { count: 0 }
          const file = join(folder, 'bootstrap-token')
          const tokens = createOperatorTokens({
            store: store.tokens,
            projects: store.projects,
            clock: () => clock.now,
            maxLifetimeDays,
            onBootstrapEnded: () => void ended.count++,
          })
          const bootstrap = async () => {
            assert.equal(await openBootstrap({ file, store: store.tokens, clock: () => clock.now }), true)
            return readFileSync(file, 'utf8').trim()
          }
          await check({ tokens, store, file, clock, ended, bootstrap })
        } finally {
          rmSync(folder, { recursive: true })
        }
      })

    bootstrapBehaves(bench)
    rightsBehave(bench)
    lifeBehaves(bench)
  })
}

type Declare = (title: string, check: (bench: Bench) => Promise<void>, maxLifetimeDays?: number | null) => void

const actor: Actor = { id: 'test', source: '127.0.0.1', requestId: 'req_1', projects: null, mayGrant: true }

function wanted(over: Partial<NewOperatorToken> = {}): NewOperatorToken {
  return { name: 'Ada', scopes: adminScopes, projects: null, lifetimeMs: undefined, ...over }
}

/** The operator behind a token that must be good. */
async function operatorOf(tokens: OperatorTokens, text: string): Promise<Operator> {
  const verdict = await tokens.verify(text)
  assert.ok(!('refused' in verdict), JSON.stringify(verdict))
  return verdict
}

async function create(tokens: OperatorTokens, by: Operator, over: Partial<NewOperatorToken> = {}) {
  const { record, secret } = await tokens.create(wanted(over), { operator: by, actor })
  return { record, text: secret.reveal(), operator: await operatorOf(tokens, secret.reveal()) }
}

async function changes(store: Store): Promise<[string, string][]> {
  const events = (await store.events.list({ limit: 100 })) as ChangeEvent[]
  return events.map(({ type, subject }) => [type, subject])
}

function bootstrapBehaves(bench: Declare): void {
  bench(
    'the bootstrap token is one of every right, and the same at every start',
    async ({ tokens, store, bootstrap }) => {
      const text = await bootstrap()
      const operator = await operatorOf(tokens, text)
      assert.deepEqual([operator.id, [...operator.scopes], operator.projects], ['bootstrap', [...adminScopes], null])
      assert.equal(await bootstrap(), text)
      assert.deepEqual(await changes(store), [['token.created', 'bootstrap']])
    },
  )

  bench(
    'it ends with the first token that may make others, and its file goes at the next start',
    async ({ tokens, store, file, clock, ended, bootstrap }) => {
      const text = await bootstrap()
      const operator = await operatorOf(tokens, text)
      await create(tokens, operator, { scopes: ['keys:write'] })
      assert.equal(ended.count, 0)
      const first = await create(tokens, await operatorOf(tokens, text), { scopes: ['tokens:write'] })
      assert.equal(ended.count, 1)
      assert.deepEqual(await tokens.verify(text), { refused: 'revoked', credential: 'bootstrap' })
      assert.deepEqual(
        new Set((await changes(store)).slice(0, 2).map(String)),
        new Set([`token.revoked,bootstrap`, `token.created,${first.record.id}`]),
      )
      // The program was stopped before it removed the file; or a backup brought it back.
      for (const found of [text, text]) {
        writeFileSync(file, found)
        assert.equal(await openBootstrap({ file, store: store.tokens, clock: () => clock.now }), false)
        assert.ok(!existsSync(file))
      }
      clock.now += 400 * DAY_MS
      assert.deepEqual(
        await tokens.verify(text),
        { refused: 'revoked', credential: 'bootstrap' },
        'also when no operator is left',
      )
      assert.equal(await openBootstrap({ file, store: store.tokens, clock: () => clock.now }), false)
    },
  )

  bench('of two first operators at once, one is made', async ({ tokens, store, ended, bootstrap }) => {
    const operator = await operatorOf(tokens, await bootstrap())
    const both = await Promise.allSettled([
      tokens.create(wanted({ name: 'one' }), { operator, actor }),
      tokens.create(wanted({ name: 'two' }), { operator, actor }),
    ])
    assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    const refused = both.find(({ status }) => status === 'rejected') as PromiseRejectedResult
    assert.equal(refused.reason.code, 'admin.unauthorized')
    assert.equal(ended.count, 1)
    assert.equal((await store.tokens.list({ limit: 10 })).length, 1)
  })

  bench(
    'a lost file is replaced while the token is good, and what it held is not good any more',
    async ({ tokens, file, bootstrap }) => {
      const lost = await bootstrap()
      rmSync(file)
      const next = await bootstrap()
      assert.notEqual(next, lost)
      assert.deepEqual(await tokens.verify(lost), { refused: 'unknown', credential: null })
      await operatorOf(tokens, next)
      writeFileSync(file, 'not a token')
      await operatorOf(tokens, await bootstrap())
    },
  )

  bench(
    'a reset ends every token and makes a new bootstrap token',
    async ({ tokens, store, file, clock, bootstrap }) => {
      const first = await create(tokens, await operatorOf(tokens, await bootstrap()))
      const second = await create(tokens, first.operator, { scopes: ['keys:read'] })
      clock.now += 1000
      const ended = await resetBootstrap({ file, store: store.tokens, clock: () => clock.now })
      assert.deepEqual([...ended].sort(), [first.record.id, second.record.id].sort())
      for (const { text, record } of [first, second]) {
        assert.deepEqual(await tokens.verify(text), { refused: 'revoked', credential: record.id })
      }
      const text = await bootstrap()
      const third = await create(tokens, await operatorOf(tokens, text))
      assert.equal((await tokens.verify(text)) instanceof Object && 'refused' in (await tokens.verify(text)), true)
      assert.deepEqual(await resetBootstrap({ file, store: store.tokens, clock: () => clock.now }), [third.record.id])
      assert.equal((await changes(store)).filter(([type]) => type === 'token.revoked').length, 5)
    },
  )
}

function rightsBehave(bench: Declare): void {
  const beyond = { code: 'token.exceeds_own_rights' }
  bench('no token makes one with more scopes, projects or time than its own', async ({ tokens, store, bootstrap }) => {
    await makeProjects(store)
    const root = await create(tokens, await operatorOf(tokens, await bootstrap()), { lifetimeMs: 50 * DAY_MS })
    const own: readonly AdminScope[] = ['tokens:write', 'keys:read']
    const [absent, other] = [`proj_${'c'.repeat(26)}`, { name: 'Problem', code: 'project.not_found' }]
    await assert.rejects(create(tokens, root.operator, { projects: [A, absent] }), other)
    const limited = await create(tokens, root.operator, { scopes: own, projects: [A], lifetimeMs: 10 * DAY_MS })
    const by = { operator: limited.operator, actor }
    for (const over of [
      { scopes: ['keys:read', 'keys:write'] as const, projects: [A] },
      { scopes: own, projects: null },
      { scopes: own, projects: [B] },
      { scopes: own, projects: [A, B] },
      { scopes: own, projects: [A], lifetimeMs: 10 * DAY_MS + 1 },
    ]) {
      await assert.rejects(tokens.create(wanted(over), by), beyond, JSON.stringify(over))
    }
    const child = await create(tokens, limited.operator, { scopes: own, projects: [A] })
    assert.equal(child.record.expiresAt, limited.record.expiresAt, 'what is left, where nothing is asked for')
  })

  bench('a token that has ended meanwhile makes none', async ({ tokens, store, clock, bootstrap }) => {
    const root = await create(tokens, await operatorOf(tokens, await bootstrap()))
    const child = await create(tokens, root.operator, { lifetimeMs: DAY_MS })
    const short = await create(tokens, root.operator, { lifetimeMs: 1000 })
    await tokens.revoke(child.record.id, { operator: root.operator, actor })
    clock.now += 1000
    const before = (await store.tokens.list({ limit: 100 })).length
    for (const { operator } of [child, short]) {
      await assert.rejects(tokens.create(wanted({ lifetimeMs: 1 }), { operator, actor }), {
        code: 'admin.unauthorized',
      })
    }
    assert.equal((await store.tokens.list({ limit: 100 })).length, before)
  })

  bench('who is limited to projects sees and ends only what reaches no other', async ({ tokens, store, bootstrap }) => {
    await makeProjects(store)
    const root = await create(tokens, await operatorOf(tokens, await bootstrap()))
    const inA = await create(tokens, root.operator, { projects: [A] })
    const inB = await create(tokens, root.operator, { projects: [B] })
    const inBoth = await create(tokens, root.operator, { projects: [A, B] })
    assert.deepEqual(
      (await tokens.list({ limit: 100 }, inA.operator)).map(({ id }) => id),
      [inA.record.id],
    )
    const nobody = `tok_${'0'.repeat(26)}`
    const refusals = new Set<string>()
    for (const id of [root.record.id, inB.record.id, inBoth.record.id, 'bootstrap', nobody]) {
      const attempts = [() => tokens.show(id, inA.operator), () => tokens.revoke(id, { operator: inA.operator, actor })]
      for (const attempt of attempts) {
        await assert.rejects(attempt, (error: Error & { code: string }) => {
          refusals.add(`${error.code} ${error.message.replace(id, '')}`)
          return error.code === 'token.not_found'
        })
      }
    }
    assert.equal(refusals.size, 1, 'as for an id that does not exist')
    for (const { text } of [root, inB, inBoth]) await operatorOf(tokens, text)
  })
}

function lifeBehaves(bench: Declare): void {
  bench(
    'a token lives 90 days unless asked otherwise, and no longer than the configuration allows',
    async ({ tokens, clock, bootstrap }) => {
      const operator = await operatorOf(tokens, await bootstrap())
      for (const lifetimeMs of [90 * DAY_MS + 1, null]) {
        await assert.rejects(tokens.create(wanted({ lifetimeMs }), { operator, actor }), {
          code: 'token.lifetime_exceeded',
        })
      }
      const { record, text } = await create(tokens, operator)
      assert.equal(record.expiresAt, START + 90 * DAY_MS)
      clock.now = record.expiresAt as number
      assert.deepEqual(await tokens.verify(text), { refused: 'expired', credential: record.id })
      clock.now -= 1
      await operatorOf(tokens, text)
    },
  )

  bench(
    'one without an end is made where the configuration has no maximum',
    async ({ tokens, clock, bootstrap }) => {
      const { record, text } = await create(tokens, await operatorOf(tokens, await bootstrap()), { lifetimeMs: null })
      assert.equal(record.expiresAt, null)
      clock.now += 40_000 * DAY_MS
      await operatorOf(tokens, text)
    },
    null,
  )

  bench(
    'a revoked token is refused at once, and revoking it twice changes nothing',
    async ({ tokens, store, clock, bootstrap }) => {
      const root = await create(tokens, await operatorOf(tokens, await bootstrap()))
      const child = await create(tokens, root.operator)
      const revoked = await tokens.revoke(child.record.id, { operator: root.operator, actor })
      assert.deepEqual(await tokens.verify(child.text), { refused: 'revoked', credential: child.record.id })
      const before = await changes(store)
      clock.now += 5000
      assert.deepEqual(await tokens.revoke(child.record.id, { operator: root.operator, actor }), revoked)
      assert.deepEqual(await changes(store), before)
    },
  )

  bench('its last use is kept to the hour', async ({ tokens, store, clock, bootstrap }) => {
    const { record, text } = await create(tokens, await operatorOf(tokens, await bootstrap()))
    const usedAt = async () => (await store.tokens.find(record.id))?.lastUsedAt
    assert.equal(await usedAt(), START)
    clock.now += 3_599_999
    await operatorOf(tokens, text)
    assert.equal(await usedAt(), START)
    clock.now += 1
    await operatorOf(tokens, text)
    assert.equal(await usedAt(), START + 3_600_000)
  })

  bench('nothing of its text is stored', async ({ tokens, store, bootstrap }) => {
    const { record, text } = await create(tokens, await operatorOf(tokens, await bootstrap()))
    const stored = JSON.stringify([await store.tokens.find(record.id), await store.events.list({ limit: 100 })])
    for (const part of [text, text.slice(3, 20), text.slice(-12)]) assert.ok(!stored.includes(part))
  })

  bench('pages hold each token once, newest first', async ({ tokens, bootstrap, clock }) => {
    const root = await create(tokens, await operatorOf(tokens, await bootstrap()))
    for (let n = 0; n < 7; n++) {
      clock.now++
      await create(tokens, root.operator, { name: `${n}` })
    }
    const seen: string[] = []
    for (let last: string | undefined; ; ) {
      const page = await tokens.list({ limit: 3, after: last }, root.operator)
      seen.push(...page.map(({ name }) => name))
      if (page.length < 3) break
      last = page.at(-1)?.id
    }
    assert.deepEqual(seen, ['6', '5', '4', '3', '2', '1', '0', 'Ada'])
  })
}
