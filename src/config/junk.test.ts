import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { Problem } from '#core/problems.ts'
import { load } from './load-for-test.ts'

function loadAnything(text: string, env: Record<string, string> = {}): void {
  try {
    load(text, env)
  } catch (error) {
    assert.ok(error instanceof Problem && error.code === 'config.invalid', String((error as Error).stack))
    assert.ok(error.detail)
  }
}

const names = ['listeners', 'public', 'port', 'store', 'kind', 'providers', 'sandbox', 'format', 'models', 'model']
const name = fc.oneof(fc.constantFrom(...names, '__proto__', 'constructor', 'toString', '*', '<<'), fc.string())

describe('loadConfig', () => {
  it('fails on no value in any other way than by naming its faults', () => {
    const { tree } = fc.letrec(tie => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.oneof(fc.string(), fc.integer(), fc.double(), fc.boolean(), fc.constant(null), fc.constantFrom(...names)),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(name, tie('tree'), { maxKeys: 5 }),
      ),
    }))
    fc.assert(
      fc.property(fc.dictionary(name, tree, { maxKeys: 6 }), value => loadAnything(stringify(value))),
      { numRuns: 1000 },
    )
  })

  it('fails on no text in any other way', () => {
    const piece = fc.constantFrom(
      ':',
      '\n',
      '  ',
      '- ',
      '&a ',
      '*a',
      '{',
      '}',
      '[',
      ']',
      '"',
      "'",
      '? ',
      '|',
      '!!set ',
      ',',
      '---\n',
      '%',
      '\t',
      ...names,
    )
    const text = fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 40 })
    fc.assert(
      fc.property(text, pieces => loadAnything(pieces.join(''))),
      { numRuns: 1500 },
    )
  })

  it('fails on no variable in any other way', () => {
    const variable = fc.constantFrom('WORKERS', 'STORE_KIND', 'PROVIDERS_SANDBOX_TAGS', 'KEYS_PREFIX', 'SANDBOX', 'X')
    const env = fc.dictionary(
      variable.map(name => `OSTIARY_${name}`),
      fc.string(),
    )
    fc.assert(
      fc.property(env, set => loadAnything('', set)),
      { numRuns: 500 },
    )
  })
})
