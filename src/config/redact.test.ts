import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { inspect } from 'node:util'
import { loadConfig } from './load.ts'
import { showConfig } from './redact.ts'
import { SecretValues } from './secrets.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostiary-show-'))
after(() => rmSync(folder, { recursive: true }))

const env = {
  OPENAI_API_KEY: 'sk-super-secret-1',
  CLAUDE: 'sk-super-secret-2',
  DATABASE: 'postgres://me:sk-super-secret-3@localhost/db',
}
const yaml = `
store: { kind: postgres, url: env:DATABASE }
providers: { claude: { format: anthropic, credential: env:CLAUDE, tags: [test] } }
models: { "*": { provider: claude }, fast: { provider: sandbox, model: slow } }`

function load(text: string, env: Record<string, string>) {
  const file = join(folder, 'ostiary.yaml')
  writeFileSync(file, text)
  return loadConfig({ env, file })
}

describe('showConfig', () => {
  const loaded = load(yaml, env)
  const shown = showConfig(loaded.config)

  it('shows secrets as their references', () => {
    assert.doesNotMatch(shown, /super-secret/)
    for (const reference of ['env:OPENAI_API_KEY', 'env:CLAUDE', 'env:DATABASE']) assert.ok(shown.includes(reference))
  })

  it('says what a variable opened', () => {
    assert.match(shown, /^# Live keys reach every model of the provider "openai", because OPENAI_API_KEY is set/)
  })

  it('is a file that loads to the same configuration', () => {
    assert.deepEqual(load(shown, env).config, { ...loaded.config, passthrough: [] })
  })
})

describe('SecretValues', () => {
  const { secrets } = load(yaml, env)

  it('prints no value', () => {
    const printed = [inspect(secrets, { depth: 9, showHidden: true }), JSON.stringify(secrets), String(secrets)].join()
    assert.doesNotMatch(printed, /super-secret/)
  })

  it('reaches another thread in the clear, and only on demand', () => {
    const copy = SecretValues.fromTransferable(structuredClone(secrets.toTransferable()))
    assert.equal(copy.get('env:CLAUDE').reveal(), env.CLAUDE)
    assert.deepEqual(copy.references(), secrets.references())
  })

  it('refuses a reference that is not of its configuration', () => {
    assert.throws(() => secrets.get('env:OTHER'), TypeError)
  })
})
