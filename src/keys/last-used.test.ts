import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallEvent } from '#core/events.ts'
import type { KeyUse } from '#store/ports.ts'
import { createLastUsed } from './last-used.ts'

function use(id: string | null, at: number, source = '::1'): CallEvent {
  return { principal: id === null ? null : { kind: 'api_key', id }, at, source } as CallEvent
}

/** Writes to memory; `fail` makes it fail once. */
function setUp() {
  const written: KeyUse[][] = []
  const state = { fail: false, now: 0, onWrite: () => {} }
  const keys = {
    async noteUses(uses: readonly KeyUse[]) {
      if (state.fail) {
        state.fail = false
        throw new Error('down')
      }
      written.push([...uses])
      state.onWrite()
    },
  }
  const lastUsed = createLastUsed(keys, () => state.now)
  return { written, state, lastUsed }
}

const settled = () => new Promise(resolve => setImmediate(resolve))

test('writes the latest use of each key within ten seconds, and nothing where there was none', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { written, lastUsed } = setUp()
  for (let n = 0; n < 100; n++) lastUsed.observe(use('key_1', n, `10.0.0.${n}`))
  lastUsed.observe(use('key_2', 7))
  lastUsed.observe(use(null, 9))
  t.mock.timers.tick(9999)
  await settled()
  assert.deepEqual(written, [])
  t.mock.timers.tick(1)
  await settled()
  assert.deepEqual(written, [
    [
      { id: 'key_1', at: 99, source: '10.0.0.99' },
      { id: 'key_2', at: 7, source: '::1' },
    ],
  ])
  t.mock.timers.tick(10_000)
  await settled()
  assert.equal(written.length, 1)
})

test('keeps what the store did not take, and takes no older use for a newer one', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { written, state, lastUsed } = setUp()
  lastUsed.observe(use('key_1', 1))
  state.fail = true
  t.mock.timers.tick(10_000)
  await settled()
  assert.equal(written.length, 0)
  // Used once more while it is being written.
  state.onWrite = () => lastUsed.observe(use('key_1', 2))
  t.mock.timers.tick(10_000)
  await settled()
  state.onWrite = () => {}
  state.now = 60_000
  t.mock.timers.tick(10_000)
  await settled()
  assert.deepEqual(
    written.map(([first]) => first?.at),
    [1, 2],
  )
})

test('writes a key in steady use once a minute, and the use of a token, which is no key, never', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { written, state, lastUsed } = setUp()
  lastUsed.observe({ ...use(null, 1), principal: { kind: 'user', id: 'company:1' } } as CallEvent)
  for (let second = 0; second < 180; second++) {
    state.now = second * 1000
    lastUsed.observe(use('key_1', second))
    t.mock.timers.tick(1000)
    await settled()
  }
  assert.deepEqual(
    written.map(([first]) => first?.at),
    [9, 69, 129],
  )
})

test('writes what waits when it is closed', async () => {
  const { written, lastUsed } = setUp()
  lastUsed.observe(use('key_1', 1))
  await lastUsed[Symbol.asyncDispose]()
  assert.equal(written.length, 1)
})

test('writes many keys in bounded statements, and lets no more than a bound wait', async () => {
  const { written, lastUsed } = setUp()
  for (let n = 0; n < 100_050; n++) lastUsed.observe(use(`key_${n}`, n))
  lastUsed.observe(use('key_0', 200_000))
  await lastUsed[Symbol.asyncDispose]()
  assert.equal(written.length, 100)
  assert.ok(written.every(batch => batch.length === 1000))
  assert.equal(written[0]?.[0]?.at, 200_000, 'one that waits already is still brought up to date')
})
