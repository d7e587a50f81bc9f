import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { countTokens, cutTokens, splitTokens } from './tokens.ts'

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.lorem({ maxCount: 40 }))

const counts: [string, number][] = [
  ['', 0],
  ['one', 1],
  ['one two', 2],
  ['sandbox', 2],
  ['Hi, there!', 4],
  ['  indented', 3],
  ['{"a":1}', 5],
  [' ', 1],
  ['日本語', 1],
]
for (const [said, count] of counts) {
  test(`counts ${count} in ${JSON.stringify(said)}`, () => assert.equal(countTokens(said), count))
}

test('a cut is a beginning with that many tokens', () => {
  fc.assert(
    fc.property(text, fc.nat(30), (said, max) => {
      const { text: kept, tokens, cut } = cutTokens(said, max)
      assert.ok(said.startsWith(kept))
      assert.equal(tokens, countTokens(kept))
      assert.equal(tokens, Math.min(max, countTokens(said)))
      assert.equal(cut, kept !== said)
      assert.ok(!said.isWellFormed() || kept.isWellFormed())
    }),
  )
})

test('pieces join to the text and add up to its tokens', () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 50 }), (said, count) => {
      const pieces = splitTokens(said, count)
      assert.equal(pieces.join(''), said)
      assert.equal(pieces.length, Math.min(count, countTokens(said)))
      assert.equal(
        pieces.reduce((sum, piece) => sum + countTokens(piece), 0),
        countTokens(said),
      )
      assert.ok(!said.isWellFormed() || pieces.every(piece => piece.isWellFormed()))
    }),
  )
})
