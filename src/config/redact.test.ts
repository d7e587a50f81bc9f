import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { load } from './load-for-test.ts'
import { showConfig } from './redact.ts'

const env = {
  OPENAI_API_KEY: 'sk-super-secret-1',
  CLAUDE: 'sk-super-secret-2',
  DATABASE: 'postgres://me:sk-super-secret-3@localhost/db',
}
const yaml = `
store: { kind: postgres, url: env:DATABASE }
providers: { claude: { format: anthropic, credential: env:CLAUDE, tags: [test] } }
models: { "*": { provider: claude }, fast: { provider: sandbox, model: slow } }`

describe('showConfig', () => {
  const loaded = load(yaml, env)
  const shown = showConfig(loaded.config)

  it('shows secrets as their references', () => {
    assert.doesNotMatch(shown, /super-secret/)
    for (const reference of ['env:OPENAI_API_KEY', 'env:CLAUDE', 'env:DATABASE']) assert.ok(shown.includes(reference))
  })

  it('says what a variable opened', () => {
    assert.match(
      showConfig(load('', env).config),
      /^# Live keys reach every model of the provider "openai", because OPENAI_API_KEY is set/,
    )
  })

  it('is a file that loads to the same configuration', () => {
    assert.deepEqual(load(shown, env).config, { ...loaded.config, passthrough: [] })
  })
})
