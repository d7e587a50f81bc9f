import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import type { TokenFacts, VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { revocationTarget } from '#core/revocation.ts'
import { ReceivedChanges } from '#store/changes.ts'
import type { Change } from '#store/ports.ts'
import { TokenCache, type VerifiedToken } from './token-cache.ts'

const TRUST_MS = 5000
const NOW = 1_800_000_000_000
const signedBy = { keyId: 'k1', thumbprint: 'thumb-1' }
const refusal = new Problem('auth.invalid_credential', { reason: 'token_revoked_subject' })

function token(
  subject: string,
  over: Partial<TokenFacts> = {},
  identity: Partial<VerifiedIdentity> = {},
): VerifiedToken {
  return {
    identity: {
      kind: 'user',
      id: `company:${subject}`,
      project: 'proj_default',
      environment: 'live',
      expiresAt: NOW + 1000,
      ceilings: { scopes: new Set(), operations: null, allowsModel: null, allowsAddress: null },
      limits: null,
      budgets: null,
      roles: [],
      tags: {},
      binding: null,
      token: {
        issuer: 'company',
        subject,
        client: 'app',
        session: null,
        tokenId: null,
        issuedAt: NOW,
        acr: null,
        authenticatedAt: null,
        ...over,
      },
      ...identity,
    },
    signedBy,
  }
}

/** A cache on the store’s own feed, before verifications whose ends the test decides. */
function setUp(size = 100) {
  const changes = new ReceivedChanges()
  changes.heard(performance.now(), 0)
  const time = { now: NOW }
  const cache = new TokenCache({ size, changes, trustMs: TRUST_MS, clock: () => time.now })
  let seq = 0
  const tell = (topic: Change['topic'], subject: string) => changes.deliver([{ seq: ++seq, topic, subject }])
  return {
    cache,
    changes,
    time,
    tell,
    revoke: (kind: Parameters<typeof revocationTarget>[1], value: string, issuer = 'company') =>
      tell('token.revoked', revocationTarget(issuer, kind, value)),
    learn: (digest: string, verified: VerifiedToken) => cache.load(digest, async () => verified),
    /** A verification that ends when the test says. */
    begin(digest: string) {
      const end = Promise.withResolvers<VerifiedToken | Problem>()
      return { end, answer: cache.load(digest, () => end.promise) }
    },
  }
}

test('remembers a good token until it ends, and no refusal', async () => {
  const { cache, learn, time } = setUp()
  const ada = token('ada')
  assert.equal(cache.get('a'), undefined)
  assert.equal(await learn('a', ada), ada.identity)
  assert.equal(cache.get('a'), ada.identity)
  assert.equal(await cache.load('b', async () => refusal), refusal)
  assert.equal(cache.get('b'), undefined)
  time.now = NOW + 999
  assert.equal(cache.get('a'), ada.identity)
  time.now = NOW + 1000
  assert.equal(cache.get('a'), undefined)
  time.now = NOW
  assert.equal(cache.get('a'), undefined, 'dropped at its end')
})

describe('a change drops the tokens that it concerns, and no other', () => {
  const facts = { tokenId: 'jti-a', session: 'sid-a', client: 'app-a' }
  const other = { tokenId: 'jti-b', session: 'sid-b', client: 'app-b' }
  const changes: Record<string, (world: ReturnType<typeof setUp>) => void> = {
    token: ({ revoke }) => revoke('token', 'jti-a'),
    subject: ({ revoke }) => revoke('subject', 'ada'),
    client: ({ revoke }) => revoke('client', 'app-a'),
    session: ({ revoke }) => revoke('session', 'sid-a'),
    'name of the key': ({ revoke }) => revoke('key', 'k1'),
    'thumbprint of the key': ({ revoke }) => revoke('key', 'thumb-1'),
    'key that its issuer has withdrawn': ({ cache }) => cache.forgetKeys('company', new Set(['thumb-1'])),
    'project that was deleted': ({ tell }) => tell('project.deleted', 'proj_a'),
    'project whose addresses changed': ({ tell }) => tell('project.changed', 'proj_a'),
  }
  for (const [what, change] of Object.entries(changes)) {
    test(what, async () => {
      const world = setUp()
      await world.learn('a', token('ada', facts, { project: 'proj_a' }))
      await world.learn('a2', token('ada', facts, { project: 'proj_a' }))
      const bob = { ...token('bob', other, { project: 'proj_b' }), signedBy: { keyId: 'k2', thumbprint: 'thumb-2' } }
      await world.learn('b', bob)
      // Called the same by another issuer.
      const stranger = token('ada', { ...facts, issuer: 'partner' }, { project: 'proj_b' })
      await world.learn('c', stranger)
      change(world)
      assert.deepEqual([world.cache.get('a'), world.cache.get('a2')], [undefined, undefined])
      assert.equal(world.cache.get('b'), bob.identity)
      assert.equal(world.cache.get('c'), stranger.identity)
    })
  }

  test('nothing for a change of an API key', async () => {
    const { cache, learn, tell } = setUp()
    await learn('a', token('ada'))
    tell('key.changed', 'key_1')
    tell('key.changed', revocationTarget('company', 'subject', 'ada'))
    assert.notEqual(cache.get('a'), undefined)
  })
})

for (const [what, change] of Object.entries({
  revocation: ({ revoke }: ReturnType<typeof setUp>) => revoke('subject', 'ada'),
  'withdrawal of a key': ({ cache }: ReturnType<typeof setUp>) => cache.forgetKeys('company', new Set(['thumb-1'])),
  'change of a project': ({ tell }: ReturnType<typeof setUp>) => tell('project.changed', 'proj_default'),
  'deletion of a project': ({ tell }: ReturnType<typeof setUp>) => tell('project.deleted', 'proj_default'),
})) {
  test(`does not remember after a ${what} what was verified before it`, async () => {
    const world = setUp()
    const { end, answer } = world.begin('a')
    change(world)
    end.resolve(token('ada'))
    await answer
    assert.equal(world.cache.get('a'), undefined)
  })

  test(`does not share a verification begun before a ${what} with who asks after it`, async () => {
    const world = setUp()
    const before = world.begin('a')
    change(world)
    const after = world.begin('a')
    before.end.resolve(token('ada'))
    after.end.resolve(refusal)
    assert.equal(await after.answer, refusal)
    assert.equal(world.cache.get('a'), undefined)
  })
}

test('verifies once for all who present the same token at a time, and passes a failure on to all', async () => {
  const { cache, begin } = setUp()
  const first = begin('a')
  const second = cache.load('a', () => assert.fail('verified twice'))
  first.end.reject(new Problem('store.unavailable'))
  for (const answer of [first.answer, second]) await assert.rejects(answer, { code: 'store.unavailable' })
  assert.equal(await cache.load('a', async () => refusal), refusal)
})

for (const [silence, remembered] of [
  [TRUST_MS, true],
  [TRUST_MS + 1, false],
] as const) {
  test(`${remembered ? 'trusts' : 'does not trust'} a feed last heard ${silence} ms ago`, async t => {
    t.mock.method(performance, 'now', () => 100_000)
    const { cache, changes, learn } = setUp()
    changes.heard(100_000, 0)
    await learn('a', token('ada'))
    t.mock.method(performance, 'now', () => 100_000 + silence)
    assert.equal(cache.get('a') !== undefined, remembered)
    await learn('b', token('bob'))
    changes.heard(100_000 + silence, 0)
    assert.notEqual(cache.get('a'), undefined, 'the feed told of nothing meanwhile')
    assert.equal(cache.get('b') !== undefined, remembered, 'nothing is learnt while it is silent')
  })
}

test('keeps the tokens used last, and as many as it may', async () => {
  const { cache, learn, revoke } = setUp(3)
  for (const name of ['a', 'b', 'c']) await learn(name, token(name))
  cache.get('a')
  await learn('d', token('d'))
  const kept = ['a', 'b', 'c', 'd'].filter(name => cache.get(name) !== undefined)
  assert.deepEqual(kept, ['a', 'c', 'd'])
  revoke('subject', 'b')
  revoke('client', 'app')
  assert.deepEqual(
    kept.filter(name => cache.get(name) !== undefined),
    [],
  )
})

test('holds nothing of what it dropped', () => {
  // In a process of its own: the runner of tests holds much of each promise.
  const program = `
    const { TokenCache } = await import(${JSON.stringify(import.meta.resolve('./token-cache.ts'))})
    const changes = { subscribe: () => () => {}, heardAt: () => performance.now() }
    const cache = new TokenCache({ size: 10, changes, trustMs: 5000, clock: () => 0 })
    const token = n => ({ issuer: 'company', subject: 's' + n, client: 'app', session: 'sid' + n, tokenId: 'jti' + n })
    gc()
    const before = process.memoryUsage().heapUsed
    for (let n = 0; n < 20_000; n++) {
      await cache.load('digest' + n, async () => ({ identity: { project: 'p', expiresAt: 1, token: token(n) }, signedBy: null }))
    }
    gc()
    console.log(process.memoryUsage().heapUsed - before, cache.get('digest19999').token.subject)`
  const child = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], { encoding: 'utf8' })
  const [held, subject] = child.stdout.trim().split(' ')
  assert.equal(subject, 's19999', child.stderr)
  // The entries of an index alone would be some 10 MB.
  assert.ok(Number(held) < 3_000_000, `${held} bytes`)
})

test('remembers none where it may remember none, and hears nothing once disposed of', async () => {
  const none = setUp(0)
  await none.learn('a', token('ada'))
  assert.equal(none.cache.get('a'), undefined)
  const { cache, learn, revoke } = setUp()
  await learn('a', token('ada'))
  cache[Symbol.dispose]()
  revoke('subject', 'ada')
  assert.notEqual(cache.get('a'), undefined)
})
