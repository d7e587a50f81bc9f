import assert from 'node:assert/strict'
import { validateHeaderValue } from 'node:http'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeHeaderList, encodeHeaderValue } from './header-value.ts'

/** Any sequence of UTF-16 code units, halves of pairs too. */
const anyText = fc.string({ unit: fc.nat(0xffff).map(code => String.fromCharCode(code)), maxLength: 12 })

test('whatever a subject contains, its header has characters of a URI only', () => {
  fc.assert(
    fc.property(anyText, text => {
      const value = encodeHeaderValue(text)
      validateHeaderValue('x-ostiary-subject', value)
      assert.match(value, /^[A-Za-z0-9\-._~:/@%]*$/)
    }),
    { numRuns: 2000 },
  )
  assert.equal(
    encodeHeaderValue('company:alice\r\nx-ostiary-roles: owner'),
    'company:alice%0D%0Ax-ostiary-roles:%20owner',
  )
})

test('decodeURIComponent gives the text back', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 20 }).filter(text => text.isWellFormed()),
      text => assert.equal(decodeURIComponent(encodeHeaderValue(text)), text),
    ),
  )
})

test('no two texts look alike, and no list like another', () => {
  fc.assert(
    fc.property(anyText, anyText, (a, b) => {
      assert.equal(encodeHeaderValue(a) === encodeHeaderValue(b), a === b)
    }),
    { numRuns: 2000 },
  )
  // What UTF-8 would replace by one and the same character.
  const halves = ['\ud800', '\udbff', '\udc00', '\ufffd'].map(encodeHeaderValue)
  assert.deepEqual(halves, ['%ED%A0%80', '%ED%AF%BF', '%ED%B0%80', '%EF%BF%BD'])
  assert.notEqual(encodeHeaderValue('%41'), encodeHeaderValue('A'))
  assert.notEqual(encodeHeaderList(['a,b']), encodeHeaderList(['a', 'b']))
})
