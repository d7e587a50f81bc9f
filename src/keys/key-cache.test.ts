import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReceivedChanges } from '#store/changes.ts'
import { KeyCache, type KnownKey } from './key-cache.ts'

const TRUST_MS = 5000

/** The key of a secret; those of one key have digests that begin alike, `a` and `a2`. */
function record(digest: string): KnownKey {
  return {
    identity: {
      kind: 'api_key',
      id: `key_${digest[0]}`,
      project: 'proj_default',
      environment: 'test',
      expiresAt: null,
      ceilings: { scopes: null, operations: null, allowsModel: null, allowsAddress: null },
      limits: null,
      budgets: null,
      roles: [],
      tags: {},
      binding: null,
      token: null,
    },
    digest,
    secretExpiresAt: null,
    disabledAt: null,
    revokedAt: null,
  }
}

/** A cache before a store whose answers the test gives, on the store’s own feed. */
function setUp(size = 100) {
  const changes = new ReceivedChanges()
  changes.heard(performance.now(), 0)
  const asked: { digest: string; answer: PromiseWithResolvers<KnownKey | undefined> }[] = []
  const cache = new KeyCache({
    size,
    changes,
    trustMs: TRUST_MS,
    find(digest) {
      const answer = Promise.withResolvers<KnownKey | undefined>()
      asked.push({ digest, answer })
      return answer.promise
    },
  })
  let seq = 0
  return {
    cache,
    asked,
    revoke: (digest: string) => changes.deliver([{ seq: ++seq, topic: 'key.changed', subject: `key_${digest}` }]),
    changes,
    async learn(digest: string) {
      const loaded = cache.load(digest)
      asked.at(-1)?.answer.resolve(record(digest))
      return loaded
    },
  }
}

test('remembers what the store said', async () => {
  const { cache, learn } = setUp()
  assert.equal(cache.get('a'), undefined)
  assert.deepEqual(await learn('a'), record('a'))
  assert.deepEqual(cache.get('a'), record('a'))
})

test('forgets every key of a project when the project’s change is heard, and none of another', async () => {
  const { cache, learn, changes } = setUp()
  await learn('a')
  await learn('b')
  changes.deliver([{ seq: 1, topic: 'project.changed', subject: 'proj_other' }])
  assert.ok(cache.get('a') && cache.get('b'))
  changes.deliver([{ seq: 2, topic: 'project.changed', subject: 'proj_default' }])
  assert.deepEqual([cache.get('a'), cache.get('b')], [undefined, undefined])
})

test('does not remember that a key is unknown', async () => {
  const { cache, asked } = setUp()
  const loaded = cache.load('a')
  asked[0]?.answer.resolve(undefined)
  assert.equal(await loaded, null)
  assert.equal(cache.get('a'), undefined)
})

test('forgets a key when its change is heard, and no other', async () => {
  const { cache, learn, revoke } = setUp()
  await learn('a')
  await learn('b')
  revoke('a')
  assert.equal(cache.get('a'), undefined)
  assert.deepEqual(cache.get('b'), record('b'))
})

test('does not remember after a change what was read before it', async () => {
  const { cache, asked, revoke } = setUp()
  const loaded = cache.load('a')
  revoke('a')
  asked[0]?.answer.resolve(record('a'))
  await loaded
  assert.equal(cache.get('a'), undefined)
})

test('does not share a question asked before a change with who asks after it', async () => {
  const { cache, asked, revoke } = setUp()
  void cache.load('a')
  revoke('a')
  const after = cache.load('a')
  asked[0]?.answer.resolve(record('a'))
  asked[1]?.answer.resolve({ ...record('a'), revokedAt: 1 })
  assert.equal((await after)?.revokedAt, 1)
})

test('asks once for all who want the same key at a time, and again later', async () => {
  const { cache, asked } = setUp()
  const loads = [cache.load('a'), cache.load('a'), cache.load('b')]
  assert.deepEqual(
    asked.map(({ digest }) => digest),
    ['a', 'b'],
  )
  for (const { digest, answer } of asked) answer.resolve(record(digest))
  assert.deepEqual(await Promise.all(loads), [record('a'), record('a'), record('b')])
  void cache.load('a')
  assert.equal(asked.length, 3)
})

test('passes a failed question on to all who wait, and asks anew afterwards', async () => {
  const { cache, asked, learn } = setUp()
  const loads = [cache.load('a'), cache.load('a')]
  asked[0]?.answer.reject(new Error('down'))
  for (const load of loads) await assert.rejects(load, /down/)
  assert.deepEqual(await learn('a'), record('a'))
})

test('trusts nothing once the feed is silent for too long, and remembers again when it speaks', async t => {
  const { cache, learn, changes } = setUp()
  await learn('a')
  const now = performance.now()
  const clock = t.mock.method(performance, 'now', () => now + TRUST_MS + 1000)
  assert.equal(cache.get('a'), undefined)
  changes.heard(now + TRUST_MS + 1000, 0)
  assert.deepEqual(cache.get('a'), record('a'))
  clock.mock.restore()
})

for (const [silence, remembered] of [
  [TRUST_MS, true],
  [TRUST_MS + 1, false],
] as const) {
  test(`${remembered ? 'trusts' : 'does not trust'} a feed last heard ${silence} ms ago`, async t => {
    t.mock.method(performance, 'now', () => 100_000)
    const changes = new ReceivedChanges()
    changes.heard(100_000 - silence, 0)
    const cache = new KeyCache({ size: 9, changes, trustMs: TRUST_MS, find: async digest => record(digest) })
    await cache.load('a')
    assert.equal(cache.get('a') !== undefined, remembered)
  })
}

test('remembers nothing before the feed has been heard at all', async () => {
  const cache = new KeyCache({
    size: 9,
    changes: new ReceivedChanges(),
    trustMs: TRUST_MS,
    find: async digest => record(digest),
  })
  await cache.load('a')
  assert.equal(cache.get('a'), undefined)
})

test('holds no more keys than its size, and lets the least recently used go first', async () => {
  const { cache, learn } = setUp(3)
  for (const digest of ['a', 'b', 'c']) await learn(digest)
  assert.ok(cache.get('a'))
  await learn('d')
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].filter(digest => cache.get(digest) !== undefined),
    ['a', 'c', 'd'],
  )
  for (let i = 0; i < 1000; i++) await learn(`x${i}`)
  const kept = Array.from({ length: 1000 }, (_, i) => `x${i}`).filter(digest => cache.get(digest))
  assert.deepEqual(kept, ['x997', 'x998', 'x999'])
})

test('forgets by change also after keys were pushed out and learnt again', async () => {
  const { cache, learn, revoke } = setUp(2)
  for (const digest of ['a', 'b', 'c', 'a']) await learn(digest)
  revoke('a')
  assert.equal(cache.get('a'), undefined)
  revoke('c')
  assert.equal(cache.get('c'), undefined)
})

test('forgets every secret of a key that changed, and no other key', async () => {
  const { cache, learn, revoke } = setUp()
  for (const digest of ['a', 'a2', 'b']) await learn(digest)
  revoke('a')
  assert.deepEqual(
    ['a', 'a2', 'b'].map(digest => cache.get(digest)?.digest),
    [undefined, undefined, 'b'],
  )
})

test('forgets a key whose other secret had to make room', async () => {
  const { cache, learn, revoke } = setUp(2)
  for (const digest of ['a', 'a2', 'b']) await learn(digest)
  assert.equal(cache.get('a'), undefined)
  assert.equal(cache.get('a2')?.digest, 'a2')
  revoke('a')
  assert.equal(cache.get('a2'), undefined)
  assert.equal(cache.get('b')?.digest, 'b')
})
