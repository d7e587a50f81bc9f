import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BASE62, toBase62 } from './base62.ts'

test('the alphabet is the digits, then upper case, then lower case, each once', () => {
  assert.equal(new Set(BASE62).size, 62)
  assert.equal(BASE62, [...BASE62].sort().join(''))
})

test('writes exactly as many digits as asked, and reads back as the same number', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), value => {
      const text = toBase62(value, 9)
      assert.equal(text.length, 9)
      const back = [...text].reduce((sum, digit) => sum * 62n + BigInt(BASE62.indexOf(digit)), 0n)
      assert.equal(back, BigInt(value))
    }),
  )
})

test('cuts the digits that do not fit', () => {
  assert.equal(toBase62(62 ** 3 + 5, 3), '005')
  assert.equal(toBase62(61, 2), '0z')
})
