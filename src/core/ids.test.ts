import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { newId } from './ids.ts'

test('an id is its prefix, ten characters of time and sixteen of randomness', () => {
  assert.match(newId('key', 1_800_000_000_000), /^key_[0-9a-hjkmnp-tv-z]{26}$/)
})

test('gives a hundred thousand different ids in one millisecond', () => {
  const ids = new Set(Array.from({ length: 100_000 }, () => newId('req', 1_800_000_000_000)))
  assert.equal(ids.size, 100_000)
})

test('every position of the random part takes every letter of the alphabet', () => {
  const seen = Array.from({ length: 16 }, () => new Set<string>())
  for (let i = 0; i < 5000; i++) {
    const random = newId('req', 1).slice(-16)
    for (const [at, letter] of [...random].entries()) seen[at]?.add(letter)
  }
  assert.deepEqual(
    seen.map(letters => letters.size),
    seen.map(() => 32),
  )
})

test('ids sort as text by the time they were made', () => {
  const time = fc.integer({ min: 0, max: 32 ** 10 - 1 })
  fc.assert(
    fc.property(time, time, (a, b) => {
      fc.pre(a !== b)
      assert.equal(newId('req', a) < newId('req', b), a < b)
    }),
  )
})

test('the time part counts milliseconds in Crockford’s base 32', () => {
  assert.equal(newId('req', 0).slice(4, 14), '0000000000')
  assert.equal(newId('req', 33).slice(4, 14), '0000000011')
  assert.equal(newId('req', 32 ** 10 - 1).slice(4, 14), 'zzzzzzzzzz')
})
