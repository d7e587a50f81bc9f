import type { TokenUsage } from '#core/usage.ts'
import { MAX_COUNT } from '#core/usage-delta.ts'
import type { Price, TokenPrices } from './price.ts'

/**
 * What a call cost, in nano US dollars: exact, rounded up once, at most `Number.MAX_SAFE_INTEGER` (nine million dollars).
 * Audio tokens that were read from a cache are charged as audio that was not: no provider says how many they were.
 */
export function costOf(usage: TokenUsage, price: Price): number {
  const { input, cacheWrite, output } = usage
  const prices = price.long !== undefined && input > price.long.above ? price.long : price
  // What a provider reports may not add up; nothing is paid back for it.
  const written = Math.min(cacheWrite, input)
  const cached = Math.min(usage.cachedInput, input - written)
  const sum = new Sum(price.request)
  sum.add(input - written - cached, prices.input)
  sum.add(cached, prices.cachedInput)
  sum.add(written, prices.cacheWrite)
  sum.add(output, prices.output)
  sum.add(Math.min(usage.audioInput, input), surcharge(price.audioInput, prices.input))
  sum.add(Math.min(usage.audioOutput, output), surcharge(price.audioOutput, prices.output))
  return sum.total
}

/**
 * The most that a call can cost whose usage is within these bounds: what no `costOf` of it exceeds.
 */
export function boundCost(inputTokens: number, outputTokens: number, price: Price): number {
  const tiers: TokenPrices[] = [price]
  if (price.long !== undefined && inputTokens > price.long.above) tiers.push(price.long)
  const highest = (of: (prices: TokenPrices) => number) => Math.max(...tiers.map(of))
  const sum = new Sum(price.request)
  sum.add(
    inputTokens,
    highest(p => Math.max(p.input, p.cachedInput, p.cacheWrite)),
  )
  sum.add(
    inputTokens,
    highest(p => surcharge(price.audioInput, p.input)),
  )
  sum.add(
    outputTokens,
    highest(p => p.output),
  )
  sum.add(
    outputTokens,
    highest(p => surcharge(price.audioOutput, p.output)),
  )
  return sum.total
}

function surcharge(special: number | undefined, usual: number): number {
  return special === undefined || special <= usual ? 0 : special - usual
}

/** Tokens times prices, without a rounding before the end: whole nano dollars and thousandths apart. */
class Sum {
  #whole: number
  #thousandths = 0

  constructor(whole: number) {
    this.#whole = whole
  }

  add(tokens: number, price: number): void {
    if (tokens === 0 || price === 0) return
    const thousandths = Math.round(price * 1000)
    const rest = thousandths % 1000
    this.#whole += tokens * ((thousandths - rest) / 1000)
    this.#thousandths += tokens * rest
  }

  /** A sum beyond what is exact is far beyond what is told apart. */
  get total(): number {
    return Math.min(this.#whole + Math.ceil(this.#thousandths / 1000), MAX_COUNT)
  }
}
