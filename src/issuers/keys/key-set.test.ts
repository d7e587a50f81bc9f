import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeysNotHad } from '#issuers/review/finding.ts'
import type { FetchedKeys } from './key-fetcher.ts'
import { KeySet, MAX_RETRY_MS, MIN_REFRESH_MS, type PublishedKeys } from './key-set.ts'
import type { KeyLife } from './key-source.ts'
import type { PublicKey } from './public-key.ts'

const life: KeyLife = { refreshMs: 600_000, maxStaleMs: 3_600_000, refetchMs: 10_000, refetchBurst: 3 }
const SOURCE = '192.0.2.1'

const key = (keyId: string | null): PublicKey => ({
  keyId,
  thumbprint: `of ${keyId}`,
  algorithms: ['ES256'],
  kind: 'P-256',
  jwk: { kty: 'EC' },
})

/** A key set, the time that it sees, and an issuer that answers what the test says, when it says. */
function setUp(options: { random?: number; life?: Partial<KeyLife> } = {}) {
  const state = {
    now: 0,
    fetches: 0,
    keys: ['one'] as readonly (string | null)[],
    maxAgeMs: null as number | null,
    failure: null as KeysNotHad | null,
    wait: Promise.resolve(),
    told: [] as PublishedKeys[],
    outcomes: [] as (string | null)[],
  }
  const create = () =>
    new KeySet({
      source: { id: 'id', life: { ...life, ...options.life } },
      clock: () => state.now,
      random: () => options.random ?? 0,
      async fetch(): Promise<FetchedKeys> {
        state.fetches++
        const { keys, maxAgeMs, failure, wait } = state
        await wait
        if (failure !== null) throw failure
        return { keys: keys.map(key), findings: [], maxAgeMs }
      },
      onFetched: failure => state.outcomes.push(failure?.code ?? null),
      onChange: published => state.told.push(published),
    })
  const set = create()
  const idsOf = ({ keys }: PublishedKeys) => keys?.map(({ keyId }) => keyId) ?? null
  return {
    state,
    set,
    create,
    idsOf,
    find: async (keyId: string | null = 'one', source = SOURCE) => idsOf(await set.find(keyId, source)),
    /** Lets the time come, with what is due then. */
    async at(now: number) {
      state.now = now
      set.tick()
      await new Promise(resolve => setImmediate(resolve))
    },
  }
}

const down = new KeysNotHad('unreachable', 'down')

test('all that ask while keys are fetched have one fetch', async () => {
  const { state, find } = setUp()
  const { promise, resolve } = Promise.withResolvers<void>()
  state.wait = promise
  const asked = Array.from({ length: 100 }, (_, n) => find(n % 2 === 0 ? 'one' : null))
  resolve()
  assert.deepEqual(new Set((await Promise.all(asked)).map(ids => JSON.stringify(ids))), new Set(['["one"]']))
  assert.equal(state.fetches, 1)
})

const freshness: readonly (readonly [maxAgeMs: number | null, refreshAt: number])[] = [
  [null, life.refreshMs],
  [300_000, 300_000],
  [86_400_000, life.refreshMs],
  [0, MIN_REFRESH_MS],
  [1000, MIN_REFRESH_MS],
]
for (const [maxAgeMs, refreshAt] of freshness) {
  test(`keys that may be kept ${maxAgeMs} ms are fetched anew after ${refreshAt} ms, in the background`, async () => {
    const { state, at, find } = setUp()
    state.maxAgeMs = maxAgeMs
    await at(0)
    await at(refreshAt - 1)
    assert.equal(state.fetches, 1)
    await at(refreshAt)
    assert.equal(state.fetches, 2)
    assert.deepEqual(await find(), ['one'])
  })
}

test('many gateways do not ask at one moment', async () => {
  const { state, at } = setUp({ random: 1 })
  await at(0)
  await at(life.refreshMs * 0.9)
  assert.equal(state.fetches, 2)
})

test('a key that is no longer published is dropped with the next good set, and all are told', async () => {
  const { state, at, idsOf } = setUp()
  state.keys = ['one', 'two']
  await at(0)
  state.keys = ['two']
  await at(life.refreshMs)
  assert.deepEqual(state.told.map(idsOf), [['one', 'two'], ['two']])
})

test('nobody is told where nothing changed', async () => {
  const { state, at } = setUp()
  for (const now of [0, 600_000, 1_200_000]) await at(now)
  assert.deepEqual([state.fetches, state.told.length], [3, 1])
})

test('a fetch that fails drops no key, and says so once', async () => {
  const { state, at, find, idsOf } = setUp()
  await at(0)
  state.failure = down
  await at(600_000)
  await at(600_000 + MAX_RETRY_MS)
  await at(600_000 + 2 * MAX_RETRY_MS)
  assert.deepEqual(await find(), ['one'])
  assert.deepEqual(
    state.told.map(told => [idsOf(told), told.isCurrent]),
    [
      [['one'], true],
      [['one'], false],
    ],
  )
})

test('what fails is tried again ever later, to a bound, and at its usual pace once it works', async () => {
  const { state, at } = setUp()
  state.failure = down
  let now = 0
  const tries: number[] = []
  for (; now < 400_000; now += 250) {
    const before = state.fetches
    await at(now)
    if (state.fetches > before) tries.push(now)
  }
  assert.deepEqual(tries.slice(0, 9), [0, 1000, 3000, 7000, 15_000, 31_000, 63_000, 123_000, 183_000])
  state.failure = null
  await at(now + MAX_RETRY_MS)
  const works = state.fetches
  await at(now + MAX_RETRY_MS + life.refreshMs - 1)
  assert.equal(state.fetches, works)
})

test('callers do not hasten what fails', async () => {
  const { state, at, find } = setUp()
  state.failure = down
  await at(0)
  for (let n = 0; n < 100; n++) assert.equal(await find(`kid-${n}`, `192.0.2.${n}`), null)
  assert.equal(state.fetches, 1)
})

test('keys that cannot be fetched are good for the bound, then for nothing, and again once they can', async () => {
  const { state, at, find } = setUp()
  await at(0)
  state.failure = down
  for (let now = 600_000; now <= life.maxStaleMs; now += 60_000) await at(now)
  assert.deepEqual(await find(), ['one'])
  await at(life.maxStaleMs + 1)
  assert.equal(await find(), null)
  assert.deepEqual(state.told.at(-1), { source: 'id', keys: null, isCurrent: false })
  state.failure = null
  await at(life.maxStaleMs + 1 + MAX_RETRY_MS)
  assert.deepEqual(await find(), ['one'])
})

test('with a bound of 0 the first fetch that fails ends them, and none does that works', async () => {
  const { state, at, find } = setUp({ life: { maxStaleMs: 0 } })
  await at(0)
  await at(life.refreshMs - 1)
  await at(life.refreshMs)
  assert.deepEqual(await find(), ['one'])
  state.failure = down
  await at(2 * life.refreshMs)
  assert.equal(await find(), null)
})

test('an unknown key has them fetched at once; the next only within the budgets', async () => {
  const { state, at, find } = setUp()
  await at(0)
  state.keys = ['one', 'two']
  state.now = 5000
  assert.deepEqual(await find('two'), ['one', 'two'])
  for (let n = 0; n < 1000; n++) await find(`kid-${n}`)
  assert.equal(state.fetches, 2)
  for (let n = 0; n < 1000; n++) await find(`kid-${n}`, `192.0.2.${n}`)
  assert.equal(state.fetches, 4)
})

test('says whether a key was looked for', async () => {
  const { at, set } = setUp()
  await at(0)
  const lookUps = []
  for (const source of [SOURCE, SOURCE, '192.0.2.2', '192.0.2.3', '192.0.2.4']) {
    lookUps.push((await set.find(`kid-${lookUps.length}`, source)).lookUp)
  }
  lookUps.push((await set.find('kid-0', '192.0.2.5')).lookUp, (await set.find('one', '192.0.2.5')).lookUp)
  assert.deepEqual(lookUps, ['done', 'source_spent', 'done', 'done', 'issuer_spent', 'in_vain', 'done'])
})

test('a key that is published while a fetch is under way is found by one more', async () => {
  const { state, at, find } = setUp()
  const { promise, resolve } = Promise.withResolvers<void>()
  await at(0)
  state.wait = promise
  await at(life.refreshMs)
  state.keys = ['one', 'two']
  state.wait = Promise.resolve()
  const found = find('two')
  resolve()
  assert.deepEqual(await found, ['one', 'two'])
})

test('a set that takes over goes on with the keys and the age of the one before, and asks at once', async () => {
  const { state, set, create, at, idsOf } = setUp()
  await at(0)
  state.failure = down
  await at(600_000)
  const { fetches } = state
  const later = create()
  later.takeOver(set)
  assert.deepEqual(idsOf(later.published()), ['one'])
  assert.deepEqual([later.status().fetchedAt, later.status().failure?.code], [0, 'unreachable'])
  later.tick()
  assert.equal(state.fetches, fetches + 1)
})

test('a set that is closed tells nobody', async () => {
  const { state, set } = setUp()
  const { promise, resolve } = Promise.withResolvers<void>()
  state.wait = promise
  const found = set.find('one', SOURCE)
  set.close()
  resolve()
  await found
  assert.deepEqual([state.told, state.outcomes], [[], []])
})

test('a defect of fetching is a failure like others', async () => {
  const { state, find } = setUp()
  state.failure = new TypeError('x') as never
  assert.equal(await find(), null)
  assert.deepEqual(state.outcomes, ['defect'])
})
