import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { calculateJwkThumbprint } from 'jose'
import { type IdentityKeys, openIdentityKeys } from './identity-keys.ts'
import { NOW } from './identity-under-test.ts'
import { PUBLISHED_AHEAD_MS } from './key-schedule.ts'
import { renderKeySet } from './key-set.ts'
import { signerAt } from './signing-key.ts'

const DAY = 86_400_000
const LIFETIME = 60_000
const SKEW = 60_000

/** Keys over a file in memory and a clock of the test’s. */
function setUp(text: string | null = null) {
  const state = { now: NOW, text, fails: false, told: [] as string[][] }
  const open = (): IdentityKeys =>
    openIdentityKeys({
      file: {
        read: () => state.text,
        write(next) {
          if (state.fails) throw new Error('the disk is full')
          state.text = next
        },
      },
      rules: () => ({ rotateAfterMs: 30 * DAY, tokenLifetimeMs: LIFETIME }),
      clock: () => state.now,
      onChange: keys => state.told.push(keys.map(({ id }) => id)),
    })
  return { state, open, keys: open() }
}

const signer = (keys: IdentityKeys, now: number) => signerAt(keys.current(), now).id
const published = (keys: IdentityKeys): string[] =>
  JSON.parse(renderKeySet(keys.current()).body.toString()).keys.map(({ kid }: { kid: string }) => kid)

describe('keys of identity tokens', () => {
  test('the first is there at once, and the same after a restart', () => {
    const { keys, open } = setUp()
    const first = signer(keys, NOW)
    assert.deepEqual(published(keys), [first])
    assert.deepEqual(published(open()), [first])
  })

  test('what is published is public: no member of a private key', async () => {
    const { keys } = setUp()
    const [jwk] = JSON.parse(renderKeySet(keys.current()).body.toString()).keys
    assert.deepEqual(Object.keys(jwk).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    assert.equal(jwk.kid, await calculateJwkThumbprint(jwk))
  })

  test('over three years each key is published a day before it signs, and kept until its last token has ended', () => {
    const { keys, state } = setUp()
    const firstSeen = new Map<string, number>([[signer(keys, NOW), Number.NEGATIVE_INFINITY]])
    const lastSigned = new Map<string, number>()
    for (; state.now < NOW + 3 * 365 * DAY; state.now += DAY / 48) {
      keys.advance()
      for (const id of published(keys)) if (!firstSeen.has(id)) firstSeen.set(id, state.now)
      const now = signer(keys, state.now)
      assert.ok(state.now - (firstSeen.get(now) ?? state.now) >= PUBLISHED_AHEAD_MS, 'it signs and was not known')
      lastSigned.set(now, state.now)
      for (const [id, at] of lastSigned) {
        if (state.now < at + LIFETIME + SKEW)
          assert.ok(published(keys).includes(id), 'its tokens are good, and it is gone')
      }
      assert.ok(keys.current().length <= 3)
    }
    assert.equal(lastSigned.size, Math.ceil((3 * 365) / 30))
  })

  test('a gateway that was off for a year signs with what services know, and then anew', () => {
    const { keys, state, open } = setUp()
    const first = signer(keys, NOW)
    state.now += 365 * DAY
    const again = open()
    assert.equal(signer(again, state.now), first)
    again.advance()
    assert.equal(signer(again, state.now), first, 'the new one is not known to anybody yet')
    state.now += PUBLISHED_AHEAD_MS
    assert.notEqual(signer(again, state.now), first)
  })

  test('an operator’s rotation is published a day ahead, one at a time', () => {
    const { keys, state } = setUp()
    const first = signer(keys, NOW)
    const { published: made, withdrawn } = keys.rotate(false)
    assert.deepEqual([made.length, withdrawn], [1, []])
    assert.deepEqual(
      keys.list().map(key => key.state),
      ['signing', 'waiting'],
    )
    assert.throws(() => keys.rotate(false), { code: 'key.rotation_pending' })
    state.now += PUBLISHED_AHEAD_MS - 1
    assert.equal(signer(keys, state.now), first)
    state.now += 1
    assert.equal(signer(keys, state.now), made[0]?.id)
    assert.deepEqual(
      keys.list().map(key => key.state),
      ['retired', 'signing'],
    )
    state.now += LIFETIME + SKEW - 1
    assert.equal(keys.advance(), null)
    state.now += 1
    assert.deepEqual(keys.advance()?.withdrawn, [first])
  })

  test('a key that others may know is replaced at once, and published no more', () => {
    const { keys, state } = setUp()
    const first = signer(keys, NOW)
    keys.rotate(false)
    const { published: made, withdrawn } = keys.rotate(true)
    assert.equal(withdrawn.length, 2)
    assert.ok(withdrawn.includes(first))
    assert.deepEqual(published(keys), [signer(keys, state.now)])
    assert.equal(made[0]?.id, signer(keys, state.now))
  })

  test('where it cannot be written nothing changes, and nobody is told', () => {
    const { keys, state } = setUp()
    const [before, told] = [published(keys), state.told.length]
    state.fails = true
    assert.throws(() => keys.rotate(true), /disk is full/)
    assert.throws(() => keys.rotate(false), /disk is full/)
    assert.deepEqual([published(keys), state.told.length], [before, told])
  })

  test('a clock that is set back leaves a key that signs', () => {
    const { keys } = setUp()
    assert.equal(signer(keys, NOW - 400 * DAY), signer(keys, NOW))
  })

  for (const [what, text] of [
    ['nothing', ''],
    ['no JSON', '{'],
    ['no keys', '{"keys":[]}'],
    ['a key of another kind', '{"keys":[{"publishedAt":1,"activeAt":1,"pem":"x"}]}'],
  ] as const) {
    test(`a file that holds ${what} is refused, and not replaced`, () => {
      assert.throws(() => setUp(text), /does not hold the keys/)
    })
  }

  test('a file whose keys are out of order or without a time is refused', () => {
    const { keys, state } = setUp()
    keys.rotate(false)
    const stored = JSON.parse(state.text ?? '')
    assert.throws(() => setUp(JSON.stringify({ keys: stored.keys.toReversed() })), /does not hold/)
    assert.throws(() => setUp(JSON.stringify({ keys: [{ ...stored.keys[0], activeAt: null }] })), /does not hold/)
  })
})
