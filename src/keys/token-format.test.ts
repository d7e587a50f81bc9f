import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { checkTokenText, digestToken, makeTokenText } from './token-format.ts'

test('makes tokens that are told apart and that it takes for well-formed', () => {
  const texts = Array.from({ length: 1000 }, makeTokenText)
  assert.equal(new Set(texts).size, 1000)
  for (const text of texts) {
    assert.match(text, /^so_[0-9A-Za-z]{49}$/)
    assert.equal(checkTokenText(text), null)
  }
})

test('knows a misspelt token by its checksum', () => {
  fc.assert(
    fc.property(fc.nat(48), fc.constantFrom(...'0Zz9aQ'), (at, letter) => {
      const text = makeTokenText()
      const other = `${text.slice(0, 3 + at)}${letter}${text.slice(4 + at)}`
      assert.equal(checkTokenText(other), other === text ? null : 'checksum')
    }),
  )
})

test('knows what is no token by its shape', () => {
  const text = makeTokenText()
  for (const other of [
    '',
    'so_',
    `${text}0`,
    text.slice(0, -1),
    ` ${text}`,
    `${text}\n`,
    text.replace('so_', 'sk_'),
    'x'.repeat(1e6),
  ]) {
    assert.equal(checkTokenText(other), 'shape')
  }
})

test('digests the whole text', () => {
  const text = makeTokenText()
  assert.match(digestToken(text), /^[0-9a-f]{64}$/)
  assert.notEqual(digestToken(text), digestToken(text.slice(0, -1)))
})
