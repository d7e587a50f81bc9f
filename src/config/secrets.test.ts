import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { loadConfig } from './load.ts'
import { load, refuse } from './load-for-test.ts'
import { SecretValues } from './secrets.ts'

const provider = (member: string) => `providers: { a: { format: openai, ${member} } }`

describe('secrets', () => {
  it('come from a file beside the configuration, without its last line break', () => {
    mkdirSync('etc', { recursive: true })
    writeFileSync('etc/key', 'sk-from-file\n', { mode: 0o600 })
    writeFileSync('etc/gate.yaml', provider('credential: file:key'))
    const { config, secrets } = loadConfig({ env: {}, file: 'etc/gate.yaml' })
    assert.equal(config.providers.a?.format === 'openai' && config.providers.a.credential, 'file:key')
    assert.equal(secrets.get('file:key').reveal(), 'sk-from-file')
  })

  it('are refused from a file that every user may read', {
    skip: process.platform === 'win32' && 'has no modes',
  }, () => {
    writeFileSync('open', 'sk-x')
    chmodSync('open', 0o644)
    assert.deepEqual(refuse(provider('credential: file:open')), [
      'ostiary.yaml:1:35: providers.a.credential: file:open may be read by every user of this machine; run chmod o= on it',
    ])
  })
})

describe('SecretValues', () => {
  const { secrets } = load(provider('credential: env:CLAUDE'), { CLAUDE: 'sk-super-secret' })

  it('prints no value', () => {
    const printed = [inspect(secrets, { depth: 9, showHidden: true }), JSON.stringify(secrets), String(secrets)].join()
    assert.doesNotMatch(printed, /super-secret/)
  })

  it('reaches another thread in the clear, and only on demand', () => {
    const copy = SecretValues.fromTransferable(structuredClone(secrets.toTransferable()))
    assert.equal(copy.get('env:CLAUDE').reveal(), 'sk-super-secret')
    assert.deepEqual(copy.references(), secrets.references())
  })

  it('refuses a reference that is not of its configuration', () => {
    assert.throws(() => secrets.get('env:OTHER'), TypeError)
  })
})
