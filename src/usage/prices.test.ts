import assert from 'node:assert/strict'
import { test } from 'node:test'
import { vendors } from './known-models.ts'
import { findModelFacts } from './prices.ts'

const inputOf = (name: string) => findModelFacts(name).price?.input ?? null

test('a model is known by its name and as its snapshots', () => {
  for (const name of ['gpt-4o-mini', 'gpt-4o-mini-2024-07-18']) assert.equal(inputOf(name), 150)
  for (const name of ['claude-sonnet-4-5', 'claude-sonnet-4-5-20250929', 'claude-sonnet-4-5@20250929']) {
    assert.equal(inputOf(name), 3000)
  }
  assert.equal(inputOf('claude-3-5-haiku-latest'), 800)
  assert.equal(inputOf('gemini-2.0-flash-001'), 100)
  // The longest name counts.
  assert.equal(inputOf('gpt-4o-2024-05-13'), 5000)
  assert.equal(inputOf('gpt-4o-2024-08-06'), 2500)
  assert.equal(inputOf('claude-opus-4-20250514'), 15_000)
  assert.equal(inputOf('claude-opus-4-5-20251101'), 5000)
})

test('another model that begins alike has no price', () => {
  const others = [
    'gpt-4o-audio-preview',
    'gpt-4o-audio-preview-2024-12-17',
    'gpt-5-turbo',
    'gpt-50',
    'claude-opus-4-9',
    'claude-opus-6',
    'claude-sonnet-4-5-v2',
    'gemini-2.5-flash-image',
    'gemini-2.5-pro-preview-tts',
    'gemini-2.5-flash-preview-09-2025',
    'GPT-4o',
    ' gpt-4o',
    '-latest',
    '',
    'constructor',
    '__proto__',
    'text-embedding-004',
  ]
  for (const name of others) {
    assert.deepEqual(findModelFacts(name), { price: null, maxOutputTokens: null, contextTokens: null }, name)
  }
})

test('what the configuration says of a model counts before what is known', () => {
  const { price, maxOutputTokens } = findModelFacts('gpt-4o', { price: { input: 1, output: 2 } })
  // The whole price: a cached token is no longer half of another price.
  assert.deepEqual(price, { input: 1000, cachedInput: 1000, cacheWrite: 1000, output: 2000, request: 0 })
  assert.equal(maxOutputTokens, 16_384)
  const own = findModelFacts('our-model', {
    price: { input: 1, output: 2, cachedInput: 0.5, cacheWrite: 3, request: 0.25 },
    maxOutputTokens: 10,
  })
  assert.deepEqual(own, {
    price: { input: 1000, cachedInput: 500, cacheWrite: 3000, output: 2000, request: 250_000_000 },
    maxOutputTokens: 10,
    contextTokens: null,
  })
  assert.equal(findModelFacts('claude-next', { price: { input: 4, output: 20 } }).price?.cacheWrite, 5000)
  assert.equal(findModelFacts('free', { price: { input: 0, output: 0 } }).price?.input, 0, 'none is not unknown')
})

test('every price that comes with the program is plausible and dated', () => {
  const names = vendors.flatMap(({ models }) => Object.keys(models))
  assert.equal(new Set(names).size, names.length)
  for (const { asOf, prefixes, models } of vendors) {
    assert.match(asOf, /^20\d\d-\d\d-\d\d$/)
    for (const [name, { contextTokens, maxOutputTokens, price: usd }] of Object.entries(models)) {
      const { price } = findModelFacts(name)
      assert.ok(price !== null && prefixes.some(prefix => name.startsWith(prefix)), name)
      assert.ok(price.input > 0 && price.cachedInput <= price.input && price.cacheWrite >= price.input, name)
      assert.ok(maxOutputTokens === 0 ? price.output === 0 : price.output > price.input, name)
      assert.ok(maxOutputTokens <= contextTokens, name)
      assert.ok(price.long === undefined || price.long.input > price.input, name)
      // Exact: nothing was lost or added in translation.
      assert.equal(Math.round(price.input * 1000), Math.round(usd.input * 1e6), name)
    }
  }
})
