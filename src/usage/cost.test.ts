import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { TokenUsage } from '#core/usage.ts'
import { boundCost, costOf } from './cost.ts'
import { type Price, toPrice } from './price.ts'

const none: TokenUsage = {
  input: 0,
  cachedInput: 0,
  cacheWrite: 0,
  output: 0,
  reasoning: 0,
  audioInput: 0,
  audioOutput: 0,
  imageInput: 0,
  imageOutput: 0,
}

/** To the thousandth of a nano dollar, up to $ 10,000 per million tokens. */
const amount = fc.integer({ min: 0, max: 10_000_000_000 }).map(thousandths => thousandths / 1000)
const prices = { input: amount, cachedInput: amount, cacheWrite: amount, output: amount }
const price: fc.Arbitrary<Price> = fc.record(
  {
    ...prices,
    request: fc.integer({ min: 0, max: 1_000_000_000 }),
    audioInput: amount,
    audioOutput: amount,
    long: fc.record({ ...prices, above: fc.integer({ min: 0, max: 2_000_000 }) }),
  },
  { requiredKeys: ['input', 'cachedInput', 'cacheWrite', 'output', 'request'] },
)

const tokens = fc.integer({ min: 0, max: 100_000_000 })
const usage = fc.record({
  input: tokens,
  cachedInput: tokens,
  cacheWrite: tokens,
  output: tokens,
  reasoning: tokens,
  audioInput: tokens,
  audioOutput: tokens,
  imageInput: tokens,
  imageOutput: tokens,
})

/** The same in picodollars, without a bound. */
function exactCost(used: TokenUsage, of: Price): bigint {
  const pico = (nano: number) => BigInt(Math.round(nano * 1000))
  const least = (a: number, b: number) => BigInt(Math.min(a, b))
  const more = (special: number | undefined, usual: number) => {
    const difference = special === undefined ? 0n : pico(special) - pico(usual)
    return difference > 0n ? difference : 0n
  }
  const tier = of.long !== undefined && used.input > of.long.above ? of.long : of
  const input = BigInt(used.input)
  const written = least(used.cacheWrite, used.input)
  const cached = least(used.cachedInput, Number(input - written))
  const sum =
    BigInt(of.request) * 1000n +
    (input - written - cached) * pico(tier.input) +
    cached * pico(tier.cachedInput) +
    written * pico(tier.cacheWrite) +
    BigInt(used.output) * pico(tier.output) +
    least(used.audioInput, used.input) * more(of.audioInput, tier.input) +
    least(used.audioOutput, used.output) * more(of.audioOutput, tier.output)
  const nano = (sum + 999n) / 1000n
  const max = BigInt(Number.MAX_SAFE_INTEGER)
  return nano > max ? max : nano
}

test('a cost is exact, and rounded up once', () => {
  fc.assert(
    fc.property(usage, price, (used, of) => BigInt(costOf(used, of)) === exactCost(used, of)),
    { numRuns: 2000 },
  )
})

test('no usage within the bounds costs more than the bound says', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(tokens, tokens, usage, share, share, price, (input, output, rest, i, o, of) => {
      const used = { ...rest, input: Math.floor(input * i), output: Math.floor(output * o) }
      return costOf(used, of) <= boundCost(input, output, of)
    }),
    { numRuns: 5000 },
  )
})

test('a write to the cache that is dearer than input is in the bound', () => {
  const claude = toPrice({ input: 3, cachedInput: 0.3, output: 15 }, 1.25)
  assert.equal(costOf({ ...none, input: 1000, cacheWrite: 1000 }, claude), 3_750_000)
  assert.equal(boundCost(1000, 0, claude), 3_750_000)
})

test('a million tokens cost what the vendor says', () => {
  const mini = toPrice({ input: 0.15, cachedInput: 0.075, output: 0.6, request: 0.001 }, 1)
  assert.equal(costOf({ ...none, input: 1_000_000, cachedInput: 400_000, output: 1_000_000 }, mini), 721_000_000)
  // $ 0.0375 per million: three and a half tens of nano dollars and a half.
  const flash = toPrice({ input: 0.0375, output: 0.15 }, 1)
  assert.deepEqual(
    [1, 2, 3].map(input => costOf({ ...none, input }, flash)),
    [38, 75, 113],
  )
  assert.equal(toPrice({ input: 0.1 * 3, output: 0.0000001 }, 1).input, 300)
  assert.equal(toPrice({ input: 1, output: 0.0000001 }, 1).output, 0.001, 'never less than it is')
})

test('a long input makes every token of the call dearer', () => {
  const pro = toPrice(
    {
      input: 1.25,
      cachedInput: 0.125,
      output: 10,
      long: { above: 200_000, input: 2.5, cachedInput: 0.25, output: 15 },
    },
    1,
  )
  assert.equal(costOf({ ...none, input: 200_000, output: 1 }, pro), 250_010_000)
  assert.equal(costOf({ ...none, input: 200_001, output: 1 }, pro), 500_017_500)
  assert.equal(boundCost(200_000, 1, pro), 250_010_000)
})

test('what a provider reports that does not add up is never paid back, and stays at the greatest exact number', () => {
  const plain = toPrice({ input: 1, cachedInput: 0.1, output: 1 }, 1)
  assert.equal(costOf({ ...none, input: 10, cachedInput: 50, cacheWrite: 0 }, plain), 1000)
  assert.equal(costOf({ ...none, input: 10, cachedInput: 50, cacheWrite: 20, audioInput: 99 }, plain), 10_000)
  const max = Number.MAX_SAFE_INTEGER
  assert.equal(costOf({ ...none, input: max, output: max }, plain), max)
  assert.equal(boundCost(max, max, plain), max)
})
