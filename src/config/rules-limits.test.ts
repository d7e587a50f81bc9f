import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { load } from './load-for-test.ts'
import { canMatch } from './rules-limits.ts'

describe('limits of the configuration', () => {
  it('know where a pattern and a name, or a family of names, have one in common', () => {
    const together: [string, string][] = [
      ['gpt-5', 'gpt-5'],
      ['gpt-5', 'gpt-*'],
      ['gpt-5', '*'],
      ['gpt-*', 'gpt-5'],
      ['gpt-5*', 'gpt-*'],
      ['gpt-*', 'gpt-5*'],
      ['*', 'gpt-5*'],
      ['*-mini', 'gpt-*'],
      ['g*-mini', 'gpt-*'],
      ['*a*b*', 'xaxbx'],
    ]
    for (const [pattern, alias] of together) assert.ok(canMatch(pattern, alias), `${pattern} and ${alias}`)
    const apart: [string, string][] = [
      ['gpt-5', 'gpt-4'],
      ['gpt.5', 'gpt-5'],
      ['claude-*', 'gpt-*'],
      ['gpt', 'gpt-*'],
      ['*-mini', 'gpt-5'],
      ['*a*b*', 'xbxax'],
    ]
    for (const [pattern, alias] of apart) assert.ok(!canMatch(pattern, alias), `${pattern} and ${alias}`)
  })

  it('may be about any model where a provider is open', () => {
    const limits = 'limits: { a: { unit: concurrency, amount: 1, models: [gpt-9] } }'
    const { config } = load(limits, { OPENAI_API_KEY: 'sk-1' })
    assert.deepEqual(config.limits.a?.models, ['gpt-9'])
    assert.deepEqual(config.limits.a?.per, ['key'])
  })
})
