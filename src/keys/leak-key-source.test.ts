import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import type { Send } from '#core/exchange.ts'
import { createLeakKeySource } from './leak-key-source.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const pem = () =>
  generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey.export({ type: 'spki', format: 'pem' }) as string

/** A source whose answers, clock and troubles the test holds. */
function sourceUnderTest() {
  const state = {
    now: 1_800_000_000_000,
    published: new Map<string, string>(),
    fails: false,
    fetched: 0,
    troubles: [] as boolean[],
  }
  const send: Send = (_request, sink) => {
    state.fetched++
    setImmediate(() => {
      if (state.fails) return sink.onError(new Error('away'))
      sink.onHead(200, {})
      const keys = [...state.published].map(([key_identifier, key]) => ({ key_identifier, key }))
      sink.onData(Buffer.from(JSON.stringify({ public_keys: keys })))
      sink.onEnd()
    })
    return { resume() {}, abort() {} }
  }
  const source = createLeakKeySource({
    url: 'https://keys.example/k',
    send,
    clock: () => state.now,
    onTrouble: error => state.troubles.push(error !== null),
  })
  return { state, source }
}

test('fetches once for many who ask at the same time, and asks again for an unknown key after five minutes only', async () => {
  const { state, source } = sourceUnderTest()
  const [first, second] = [pem(), pem()]
  state.published.set('first', first)
  assert.deepEqual(await Promise.all([1, 2, 3].map(() => source.find('first'))), [first, first, first])
  assert.equal(state.fetched, 1)
  state.published.set('second', second)
  state.now += 5 * MINUTE - 1
  for (let i = 0; i < 100; i++) assert.equal(await source.find(`made-up-${i}`), null)
  assert.equal(await source.find('second'), null)
  assert.equal(state.fetched, 1)
  state.now += 1
  assert.equal(await source.find('second'), second)
  assert.equal(state.fetched, 2)
})

test('trusts a key that is no longer published for an hour at most', async () => {
  const { state, source } = sourceUnderTest()
  state.published.set('ended', pem())
  assert.notEqual(await source.find('ended'), null)
  state.published.clear()
  state.now += HOUR
  assert.notEqual(await source.find('ended'), null)
  state.now += 1
  assert.equal(await source.find('ended'), null)
})

test('keeps what it has for a day while the source is away, tells of it once, and then trusts nothing', async () => {
  const { state, source } = sourceUnderTest()
  state.published.set('known', pem())
  await source.find('known')
  state.fails = true
  for (let hour = 1; hour <= 24; hour++) {
    state.now += HOUR
    assert.notEqual(await source.find('known'), null, `after ${hour} h`)
  }
  state.now += 1
  assert.equal(await source.find('known'), null)
  state.fails = false
  state.now += 5 * MINUTE
  assert.notEqual(await source.find('known'), null)
  assert.deepEqual(state.troubles, [true, false])
})

test('reads no more than a hundred keys, and none that is not ECDSA on P-256', async () => {
  const { state, source } = sourceUnderTest()
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' })
  state.published.set('rsa', rsa as string)
  const key = pem()
  for (let i = 1; i <= 100; i++) state.published.set(`key-${i}`, key)
  assert.equal(await source.find('rsa'), null)
  assert.equal(await source.find('key-99'), key)
  assert.equal(await source.find('key-100'), null)
})
