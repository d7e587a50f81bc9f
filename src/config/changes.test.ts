import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compareConfigs, needsRestart } from './changes.ts'
import { load } from './load-for-test.ts'

describe('compareConfigs', () => {
  it('finds nothing between equals', () => {
    assert.deepEqual(compareConfigs(load('workers: 2'), load('{ workers: 2 }')), [])
  })

  it('names members, entries and tags', () => {
    const before = load('providers: { a: { format: openai }, b: { format: gemini } }\nmodels: { m: { provider: b } }')
    const after = load(
      'providers: { a: { format: openai, timeoutMs: 5, tags: [x] } }\nmodels: { constructor: { provider: a } }',
    )
    assert.deepEqual(compareConfigs(before, after), [
      'providers.a.tags: [] → ["x"]',
      'providers.a.timeoutMs: 600000 → 5',
      'providers.b: removed',
      'models.m: removed',
      'models.constructor: added',
    ])
    assert.deepEqual(needsRestart(before, after), [])
  })

  it('sees that the value behind a reference changed, without showing it', () => {
    const yaml = 'providers: { a: { format: openai, credential: env:KEY } }'
    const changes = compareConfigs(load(yaml, { KEY: 'sk-secret-1' }), load(yaml, { KEY: 'sk-secret-2' }))
    assert.deepEqual(changes, ['providers.a.credential: the secret changed'])
  })

  it('shows references where they change', () => {
    const before = load('providers: { a: { format: openai } }')
    const after = load('providers: { a: { format: openai, credential: env:KEY } }', { KEY: 'sk-secret' })
    assert.deepEqual(compareConfigs(before, after), ['providers.a.credential: "env:KEY" (new)'])
  })
})

describe('needsRestart', () => {
  it('names what is fixed at the start', () => {
    const env = { DB: 'postgres://localhost/db' }
    const after = load(
      '{ workers: 2, listeners: { public: { port: 1 } }, store: { kind: postgres, url: env:DB }, log: { level: warn } }',
      env,
    )
    assert.deepEqual(needsRestart(load(''), after), [
      'listeners.public.port: 8400 → 1',
      'listeners.public.url: "http://localhost:8400" → "http://localhost:1"',
      'workers: "auto" → 2',
      'store.kind: "sqlite" → "postgres"',
      'store.url: "env:DB" (new)',
      'store.poolSize: 10 (new)',
      'log.level: "info" → "warn"',
    ])
  })
})
