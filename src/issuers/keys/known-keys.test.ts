import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import type { KeyLife } from './key-source.ts'
import { KnownKeys, MAX_CANDIDATES } from './known-keys.ts'
import { readKeySet } from './read-key-set.ts'
import type { LookUp } from './refetch-gate.ts'

const life: KeyLife = { refreshMs: 600_000, maxStaleMs: 3_600_000, refetchMs: 10_000, refetchBurst: 3 }

function publish(...jwks: readonly object[]) {
  return readKeySet({ keys: jwks }).keys
}

function makeJwk(kid: string | null, members: object = {}): object {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { ...publicKey.export({ format: 'jwk' }), ...(kid !== null && { kid }), ...members }
}

/** What a worker knows, and the questions that it asks, which the test answers. */
function setUp(otherwise: Partial<KeyLife> = {}) {
  const asked: { keyId: string | null; source: string; answer: (lookUp?: LookUp) => void }[] = []
  const state = { now: 0, asked }
  const known = new KnownKeys(
    { ...life, ...otherwise },
    {
      clock: () => state.now,
      ask: (keyId, source) =>
        new Promise(resolve => void asked.push({ keyId, source, answer: (lookUp = 'done') => resolve(lookUp) })),
    },
  )
  const find = async (keyId: string | null, algorithm = 'ES256', source = '192.0.2.1') =>
    (await known.find({ keyId, algorithm, source })).map(key => key.keyId)
  return { known, find, state, asked }
}

const unavailable = { name: 'Problem', code: 'auth.issuer_unavailable' }

test('asks once until there are keys, and has all that came meanwhile wait for the answer', async () => {
  const { known, find, asked } = setUp()
  const found = Array.from({ length: 50 }, () => find('one'))
  await new Promise(setImmediate)
  assert.equal(asked.length, 1)
  known.learn({ keys: publish(makeJwk('one')), isCurrent: true })
  asked[0]?.answer()
  assert.deepEqual(await Promise.all(found), Array(50).fill(['one']))
  assert.equal(asked.length, 1)
})

test('without any keys cannot tell of any token whether it is good', async () => {
  const { find, asked } = setUp()
  const found = assert.rejects(find('one'), unavailable)
  await new Promise(setImmediate)
  asked[0]?.answer()
  await found
})

test('knows a key without asking, for each algorithm that it is good for', async () => {
  const { known, find, asked } = setUp()
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const any = { ...publicKey.export({ format: 'jwk' }), kid: 'any' }
  known.learn({ keys: publish(any, { ...any, kid: 'ps', alg: 'PS256' }), isCurrent: true })
  assert.deepEqual(await find('any', 'RS256'), ['any'])
  assert.deepEqual(await find('any', 'PS512'), ['any'])
  assert.deepEqual(await find('ps', 'PS256'), ['ps'])
  assert.deepEqual(await find('ps', 'RS256'), [])
  assert.deepEqual(await find('any', 'ES256'), [])
  assert.deepEqual(asked, [])
})

test('answers the same imported key again, at once', async () => {
  const { known } = setUp()
  known.learn({ keys: publish(makeJwk('one')), isCurrent: true })
  const query = { keyId: 'one', algorithm: 'ES256', source: '' }
  const first = await known.find(query)
  const second = known.find(query)
  assert.ok(Array.isArray(second))
  assert.equal(second[0], first[0])
})

test('gives both keys of one name, and a key without a name only to tokens that name none', async () => {
  const { known, find } = setUp()
  known.learn({ keys: publish(makeJwk('one'), makeJwk('one'), makeJwk(null)), isCurrent: true })
  assert.deepEqual(await find('one'), ['one', 'one'])
  assert.deepEqual(await find(null), ['one', 'one', null])
})

test('has no token verified with more keys than a few', async () => {
  const { known, find } = setUp()
  const keys = Array.from({ length: MAX_CANDIDATES + 1 }, (_, n) => makeJwk(`${n}`))
  known.learn({ keys: publish(...keys.slice(1)), isCurrent: true })
  assert.equal((await find(null)).length, MAX_CANDIDATES)
  known.learn({ keys: publish(...keys), isCurrent: true })
  assert.deepEqual(await find(null), [])
})

test('asks for an unknown key, and takes the answer', async () => {
  const { known, find, asked } = setUp()
  const one = makeJwk('one')
  known.learn({ keys: publish(one), isCurrent: true })
  const found = find('two')
  await new Promise(setImmediate)
  assert.deepEqual([asked[0]?.keyId, asked[0]?.source], ['two', '192.0.2.1'])
  known.learn({ keys: publish(one, makeJwk('two')), isCurrent: true })
  asked[0]?.answer()
  assert.deepEqual(await found, ['two'])
})

test('a flood of unknown keys asks no more than its source may, and is refused meanwhile', async () => {
  const { known, find, asked } = setUp()
  known.learn({ keys: publish(makeJwk('one')), isCurrent: true })
  const first = find('kid')
  await new Promise(setImmediate)
  asked[0]?.answer()
  assert.deepEqual(await first, [])
  for (let n = 0; n < 1000; n++) assert.deepEqual(await find(`kid-${n}`), [])
  assert.equal(asked.length, 1)
  const other = find('new', 'ES256', '192.0.2.2')
  await new Promise(setImmediate)
  assert.equal(asked.length, 2)
  asked[1]?.answer()
  await other
})

test('of a key that was not looked for, as the budget of the issuer is spent, it cannot be told', async () => {
  const { known, find, asked, state } = setUp()
  known.learn({ keys: publish(makeJwk('one')), isCurrent: true })
  const refused = assert.rejects(find('new'), { ...unavailable, reason: 'key_budget_spent' })
  await new Promise(setImmediate)
  asked[0]?.answer('issuer_spent')
  await refused
  // Its own budget is spent now: a flood is refused.
  assert.deepEqual(await find('new'), [])
  // It was not looked for, so that it is not in vain.
  state.now = life.refetchMs
  const found = find('new')
  await new Promise(setImmediate)
  assert.equal(asked.length, 2)
  known.learn({ keys: publish(makeJwk('new')), isCurrent: true })
  asked[1]?.answer()
  assert.deepEqual(await found, ['new'])
})

test('once the budget of this worker is spent, no other source is told that a key is none', async () => {
  const { known, find, asked } = setUp()
  known.learn({ keys: publish(makeJwk('one')), isCurrent: true })
  for (let n = 0; n < life.refetchBurst; n++) {
    const found = find(`kid-${n}`, 'ES256', `192.0.2.${n}`)
    await new Promise(setImmediate)
    asked[n]?.answer()
    assert.deepEqual(await found, [])
  }
  await assert.rejects(find('new', 'ES256', '192.0.2.9'), unavailable)
  assert.deepEqual(await find('kid-0', 'ES256', '192.0.2.9'), [])
  assert.deepEqual(await find('newer', 'ES256', '192.0.2.9'), [])
})

test('keys that never change are asked for once', async () => {
  const { known, find, asked } = setUp({ refreshMs: Number.POSITIVE_INFINITY })
  known.learn({ keys: publish(makeJwk('one')), isCurrent: true })
  for (let n = 0; n < 10; n++) assert.deepEqual(await find(`kid-${n}`, 'ES256', `192.0.2.${n}`), [])
  assert.deepEqual(asked, [])
})

test('while fetching fails a known key is good, and of an unknown one it cannot be told', async () => {
  const { known, find, asked } = setUp()
  known.learn({ keys: publish(makeJwk('one')), isCurrent: false })
  assert.deepEqual(await find('one'), ['one'])
  const first = assert.rejects(find('two'), unavailable)
  await new Promise(setImmediate)
  asked[0]?.answer()
  await first
  await assert.rejects(find('three'), unavailable)
})

test('tells which keys are good no longer: the keys themselves, not their names', () => {
  const { known } = setUp()
  const [one, two] = [makeJwk('one'), makeJwk('two')]
  const [first, second] = publish(one, two)
  assert.deepEqual(known.learn({ keys: publish(one, two), isCurrent: true }), new Set())
  assert.deepEqual(
    known.learn({ keys: publish({ ...one, kid: 'renamed' }), isCurrent: true }),
    new Set([second?.thumbprint]),
  )
  assert.deepEqual(
    known.learn({ keys: publish({ ...two, kid: 'one' }), isCurrent: true }),
    new Set([first?.thumbprint]),
  )
  assert.deepEqual(known.learn({ keys: null, isCurrent: false }), new Set([second?.thumbprint]))
})
