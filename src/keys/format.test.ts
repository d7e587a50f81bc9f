import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { BASE62, toBase62 } from '#core/base62.ts'
import { createKeyFormat, keyHint } from './format.ts'

const secret = randomBytes(32)
const format = createKeyFormat('sk', secret)
const key = format.make('live')

/** As an attacker can: the checksum needs no secret. */
function withChecksum(text: string): string {
  const body = text.slice(0, -6)
  return body + toBase62(crc32(body), 6)
}

test('a key is prefix, environment, 28 random characters, an 8-character tag and a 6-character checksum', () => {
  assert.match(key, /^sk_live_[0-9A-Za-z]{42}$/)
  assert.match(format.make('test'), /^sk_test_[0-9A-Za-z]{42}$/)
  assert.equal(withChecksum(key), key)
  assert.equal(format.check(key), null)
})

test('never gives the same key twice, and uses every letter at every random place', () => {
  const keys = Array.from({ length: 3000 }, () => format.make('test'))
  assert.equal(new Set(keys).size, keys.length)
  for (let at = 8; at < 36; at++) assert.equal(new Set(keys.map(text => text[at])).size, 62, `place ${at}`)
})

test('letters are drawn evenly', () => {
  const counts = new Map<string, number>()
  for (let i = 0; i < 2000; i++) {
    for (const letter of format.make('live').slice(8, 36)) counts.set(letter, (counts.get(letter) ?? 0) + 1)
  }
  const expected = (2000 * 28) / 62
  let chiSquared = 0
  for (const letter of BASE62) chiSquared += ((counts.get(letter) ?? 0) - expected) ** 2 / expected
  // 61 degrees of freedom: beyond 140 once in ten million runs; taking bytes modulo 62 would give over 170.
  assert.ok(chiSquared < 140, `${chiSquared}`)
})

test('checks the shape, then the checksum, then the tag', () => {
  const wrongTag = withChecksum(`${key.slice(0, -7)}${key.at(-7) === 'a' ? 'b' : 'a'}${key.slice(-6)}`)
  assert.equal(format.check(wrongTag), 'tag')
  const wrongBoth = wrongTag.slice(0, -1) + (wrongTag.endsWith('a') ? 'b' : 'a')
  assert.equal(format.check(wrongBoth), 'checksum')
  assert.equal(format.check(`${wrongBoth}!`), 'shape')
})

test('a key with one character changed, at any place, never passes, with or without a new checksum', () => {
  const letters = fc.constantFrom(...BASE62, '_', '-', ' ', 'é', '\n', '\0')
  for (let at = 0; at < key.length; at++) {
    fc.assert(
      fc.property(letters, letter => {
        fc.pre(letter !== key[at])
        const changed = key.slice(0, at) + letter + key.slice(at + 1)
        assert.notEqual(format.check(changed), null)
        if (at < key.length - 6) assert.notEqual(format.check(withChecksum(changed)), null)
      }),
      { numRuns: 30 },
    )
  }
})

test('a key with characters swapped, dropped or added never passes', () => {
  for (let at = 0; at < key.length; at++) {
    assert.equal(format.check(key.slice(0, at) + key.slice(at + 1)), 'shape')
    assert.equal(format.check(`${key.slice(0, at)}a${key.slice(at)}`) === null, false)
  }
  for (const text of [` ${key}`, `${key}\n`, `${key} `, `${key}${key}`, key.toUpperCase(), `Bearer ${key}`, '']) {
    assert.equal(format.check(text), 'shape')
  }
})

test('the tag covers prefix and environment: neither can be swapped', () => {
  assert.equal(format.check(withChecksum(key.replace('_live_', '_test_'))), 'tag')
  assert.equal(format.check(withChecksum(key.replace('sk_', 'pk_'))), 'tag')
  assert.equal(format.check(withChecksum(key.replace('sk_live_', 'sk1_live_'))), 'tag')
})

test('refuses other environments and badly formed prefixes by shape', () => {
  for (const start of [
    'sk_prod_',
    'SK_live_',
    's_live_',
    '_live_',
    '1k_live_',
    'sk-live-',
    'abcdefghijklm_live_',
    'sk__live_',
  ]) {
    assert.equal(format.check(start + key.slice(8)), 'shape', start)
  }
})

test('refuses a key whose tag was made under another secret', () => {
  assert.equal(createKeyFormat('sk', randomBytes(32)).check(key), 'tag')
})

test('accepts a key made before the prefix was changed', () => {
  assert.equal(createKeyFormat('acme', secret).check(key), null)
})

test('a made-up key with a right checksum does not pass', () => {
  for (let i = 0; i < 1000; i++) {
    const madeUp = `sk_live_${[...randomBytes(42)].map(byte => BASE62[byte % 62]).join('')}`
    assert.equal(format.check(withChecksum(madeUp)), 'tag')
  }
})

test('refuses an endless key at once', () => {
  assert.equal(format.check(`sk_live_${'a'.repeat(1_000_000)}`), 'shape')
})

test('shows prefix, environment and the last four characters, which tell nothing of the secret', () => {
  assert.equal(keyHint(key), `sk_live_…${key.slice(-4)}`)
  assert.equal(keyHint(createKeyFormat('acme2', secret).make('test')).slice(0, 12), 'acme2_test_…')
})
