import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compileModels } from './check-model.ts'
import { isServed } from './served-models.ts'

for (const [pattern, names, served] of [
  ['fast', ['fast'], true],
  ['fast', ['Fast', 'faster', 'fas'], false],
  ['f*', ['fast'], true],
  ['*t', ['fast'], true],
  ['f*x*t', ['fast'], false],
  ['gpt-*', ['claude-*', 'sandbox'], false],
  ['gpt-5', ['gpt-*'], true],
  ['gpt', ['gpt-*'], false],
  ['gpt-5*', ['gpt-*'], true],
  ['g*', ['gpt-*'], true],
  ['*-mini', ['gpt-*'], true],
  ['anything', ['*'], true],
  ['*', [], false],
  ['*', ['a'], true],
] as const) {
  test(`${pattern} of ${names.join(', ') || 'nothing'}: ${served}`, () =>
    assert.equal(isServed(pattern, names), served))
}

test('whatever model both the pattern and a name allow, the pattern is served', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 5 })
  const name = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(text, name, fc.nat(6), (pattern, model, cut) => {
      const alias = `${model.slice(0, cut)}*`
      if (compileModels([pattern])(model)) assert.ok(isServed(pattern, [alias]))
      if (compileModels([pattern])(model)) assert.ok(isServed(pattern, [model]))
    }),
    { numRuns: 20_000 },
  )
})
