/**
 * What one model costs: nano US dollars (1e-9 $) per token, to the thousandth; `request` per call. A million tokens at
 * one dollar are 1000 nano dollars each.
 */
export interface Price extends TokenPrices {
  readonly request: number
  /** What an audio token costs, where it costs more than another. */
  readonly audioInput?: number
  readonly audioOutput?: number
  /** What every token of a call costs whose input is longer than so many tokens. */
  readonly long?: TokenPrices & { readonly above: number }
}

export interface TokenPrices {
  readonly input: number
  /** Of the input: read from the provider's cache. */
  readonly cachedInput: number
  /** Of the input: written to it. */
  readonly cacheWrite: number
  readonly output: number
}

/** A price as people write it: US dollars per million tokens; `request` in US dollars per call. */
export interface PriceInUsd {
  readonly input: number
  readonly output: number
  /** As `input` unless said. */
  readonly cachedInput?: number | undefined
  /** As `input` unless said; a quarter more where the vendor takes that. */
  readonly cacheWrite?: number | undefined
  readonly request?: number | undefined
  readonly audioInput?: number | undefined
  readonly audioOutput?: number | undefined
  readonly long?: (Omit<PriceInUsd, 'request' | 'long'> & { readonly above: number }) | undefined
}

/** To the next thousandth of a nano dollar. `cacheWriteFactor`: what a write to the cache costs unless it is said, as input. */
export function toPrice(price: PriceInUsd, cacheWriteFactor: number): Price {
  const { request = 0, audioInput, audioOutput, long } = price
  return Object.freeze({
    ...tokenPrices(price, cacheWriteFactor),
    request: Math.ceil(exact(request * 1e9)),
    ...(audioInput !== undefined && { audioInput: perToken(audioInput) }),
    ...(audioOutput !== undefined && { audioOutput: perToken(audioOutput) }),
    ...(long !== undefined && { long: { ...tokenPrices(long, cacheWriteFactor), above: long.above } }),
  })
}

function tokenPrices(price: Omit<PriceInUsd, 'request' | 'long'>, cacheWriteFactor: number): TokenPrices {
  const { input, output, cachedInput = input, cacheWrite = input * cacheWriteFactor } = price
  return {
    input: perToken(input),
    cachedInput: perToken(cachedInput),
    cacheWrite: perToken(cacheWrite),
    output: perToken(output),
  }
}

/** $ 1 per million tokens are 1000 nano dollars per token. */
function perToken(usdPerMillion: number): number {
  return Math.ceil(exact(usdPerMillion * 1e6)) / 1000
}

/** Without what the binary form of a decimal fraction adds: 0.1 × 3 is 0.3. */
function exact(product: number): number {
  return Number(product.toPrecision(15))
}
