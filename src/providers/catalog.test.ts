import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCatalog, type ModelEntry, type Provider } from './catalog.ts'
import type { FormatName } from './wire-format.ts'

function provider(name: string, format: FormatName | null, isTest = false): Provider {
  const send = () => assert.fail('nothing is sent')
  return { name, format, test: isTest, credential: null, basePath: '', send }
}

const providers = [
  provider('openai', 'openai'),
  provider('anthropic', 'anthropic'),
  provider('gemini', 'gemini'),
  provider('azure', 'openai', true),
  provider('sandbox', null, true),
]

function entry(alias: string, provider: string, model: string | null = null): ModelEntry {
  return { alias, model, provider }
}

const catalog = createCatalog(providers, [
  entry('fast', 'openai', 'gpt-5-mini'),
  entry('gpt-4o', 'azure'),
  entry('claude', 'anthropic', 'claude-opus-4'),
  entry('echo', 'sandbox'),
  entry('gpt-*', 'openai'),
  entry('gpt-4*', 'azure', 'gpt-4-turbo'),
  entry('claude-*', 'anthropic'),
  entry('*', 'gemini'),
  entry('*', 'openai'),
])

const resolutions: readonly (readonly [model: string, FormatName, expected: string])[] = [
  ['fast', 'openai', 'openai gpt-5-mini'],
  ['gpt-4o', 'openai', 'azure gpt-4o'],
  ['gpt-4', 'openai', 'azure gpt-4-turbo'],
  ['gpt-41', 'openai', 'azure gpt-4-turbo'],
  ['gpt-5', 'openai', 'openai gpt-5'],
  ['gpt-', 'openai', 'openai gpt-'],
  ['other', 'openai', 'openai other'],
  ['other', 'gemini', 'gemini other'],
  ['claude', 'anthropic', 'anthropic claude-opus-4'],
  ['claude-x', 'anthropic', 'anthropic claude-x'],
  ['echo', 'openai', 'sandbox echo'],
  ['echo', 'anthropic', 'sandbox echo'],
  ['echo', 'gemini', 'sandbox echo'],
  ['FAST', 'openai', 'openai FAST'],
  ['fast ', 'openai', 'openai fast '],
  ['__proto__', 'openai', 'openai __proto__'],
  ['*', 'openai', 'openai *'],
  ['fast', 'anthropic', 'model.wrong_format'],
  ['claude', 'openai', 'model.wrong_format'],
  ['gpt-4o', 'gemini', 'model.wrong_format'],
  ['other', 'anthropic', 'model.wrong_format'],
]

for (const [model, format, expected] of resolutions) {
  test(`${model} in the format of ${format}: ${expected}`, () => {
    if (expected.startsWith('model.'))
      assert.throws(() => catalog.find(model, format), { name: 'Problem', code: expected })
    else {
      const target = catalog.find(model, format)
      assert.equal(`${target.provider.name} ${target.providerModel}`, expected)
      assert.equal(target.model, model)
      assert.equal(target.test, target.provider.test)
      assert.equal(target.sandbox, target.provider.name === 'sandbox')
    }
  })
}

test('says where a model is called that matches a pattern of another format, as for one with a name of its own', () => {
  const small = createCatalog(providers, [entry('claude-*', 'anthropic')])
  assert.throws(() => small.find('claude-x', 'openai'), { code: 'model.wrong_format', message: /\/v1\/messages/ })
})

test('without passthrough an unknown model does not exist', () => {
  const small = createCatalog(providers, [entry('fast', 'openai'), entry('gpt-*', 'openai')])
  for (const model of ['', 'fas', 'faster', 'gpt', 'xgpt-5', 'constructor']) {
    assert.throws(() => small.find(model, 'openai'), { code: 'model.not_found' })
  }
})

test('shows no more than a piece of an endless name', () => {
  const small = createCatalog(providers, [])
  assert.throws(
    () => small.find('x'.repeat(100_000), 'openai'),
    (error: Error) => error.message.length < 300,
  )
})

test('names the models with a name of their own, in the order of the configuration', () => {
  assert.deepEqual(
    catalog.named.map(({ model }) => model),
    ['fast', 'gpt-4o', 'claude', 'echo'],
  )
})

test('refuses a model of a provider that does not exist', () => {
  assert.throws(() => createCatalog(providers, [entry('a', 'nobody')]))
  assert.throws(() => createCatalog(providers, [entry('a*', 'nobody')]).find('ab', 'openai'))
})
