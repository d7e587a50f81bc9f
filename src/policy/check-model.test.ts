import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compileModels } from './check-model.ts'

const cases: readonly (readonly [patterns: string[], model: string, allowed: boolean])[] = [
  [['gpt-5'], 'gpt-5', true],
  [['gpt-5'], 'gpt-5-mini', false],
  [['gpt-5'], 'GPT-5', false],
  [['gpt-*'], 'gpt-', true],
  [['gpt-*'], 'gpt-5-mini', true],
  [['gpt-*'], 'xgpt-5', false],
  [['*'], 'anything', true],
  [['*-mini'], 'gpt-5-mini', true],
  [['*-mini'], 'gpt-5-mini-2', false],
  [['a*a'], 'a', false],
  [['a*a'], 'aa', true],
  [['a*b*c'], 'a-b-c', true],
  [['a*b*c'], 'a-c-b', false],
  [['a*bc*c'], 'abc', false],
  [['gpt.5'], 'gpt-5', false],
  [['gpt-[45]'], 'gpt-5', false],
  [['o?'], 'o3', false],
  [['a', 'b*'], 'bc', true],
  [[], 'a', false],
]
for (const [patterns, model, allowed] of cases) {
  test(`${model} ${allowed ? 'fits' : 'does not fit'} ${patterns.join(' and ') || 'nothing'}`, () => {
    assert.equal(compileModels(patterns)(model), allowed)
  })
}

test('says of every name and pattern what an expression says', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 })
  const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 })
  fc.assert(
    fc.property(text, name, (pattern, model) => {
      assert.equal(compileModels([pattern])(model), new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(model))
    }),
    { numRuns: 5000 },
  )
})

test('a pattern of many stars takes no longer than its length', () => {
  const fits = compileModels([`${'*a'.repeat(127)}*b`])
  const begun = performance.now()
  for (let n = 0; n < 1000; n++) assert.equal(fits('a'.repeat(256)), false)
  assert.ok(performance.now() - begun < 1000)
})
