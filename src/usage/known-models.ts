import type { PriceInUsd } from './price.ts'

/** What is known of a model: prices in US dollars per million tokens, and bounds in tokens. */
export interface KnownModel {
  readonly price: PriceInUsd
  readonly contextTokens: number
  /** The most that it can be made to write; 0 = it writes none. */
  readonly maxOutputTokens: number
}

interface Vendor {
  /** How the names of its models begin, also of those that are not known here. */
  readonly prefixes: readonly string[]
  /** The day for which the prices were compared with what the vendor publishes. */
  readonly asOf: string
  /** What a write to the cache costs unless a model says otherwise: this many times its input. */
  readonly cacheWriteFactor: number
  readonly models: Readonly<Record<string, KnownModel>>
}

type Prices = readonly [input: number, cachedInput: number | null, output: number]

/** Prices of the vendor's standard tier; other tiers (batch, flex, priority, data residency) are not known here. */
function model(
  [input, cachedInput, output]: Prices,
  contextTokens: number,
  maxOutputTokens: number,
  more: Partial<PriceInUsd> = {},
): KnownModel {
  const price = { input, output, ...(cachedInput !== null && { cachedInput }), ...more }
  return { price, contextTokens, maxOutputTokens }
}

const OPENAI: Vendor = {
  prefixes: ['gpt-', 'o1', 'o3', 'o4', 'text-embedding-'],
  asOf: '2026-03-31',
  cacheWriteFactor: 1,
  models: {
    'gpt-4o': model([2.5, 1.25, 10], 128_000, 16_384),
    // The first snapshot kept its price.
    'gpt-4o-2024-05-13': model([5, null, 15], 128_000, 4_096),
    'gpt-4o-mini': model([0.15, 0.075, 0.6], 128_000, 16_384),
    'gpt-4.1': model([2, 0.5, 8], 1_047_576, 32_768),
    'gpt-4.1-mini': model([0.4, 0.1, 1.6], 1_047_576, 32_768),
    'gpt-4.1-nano': model([0.1, 0.025, 0.4], 1_047_576, 32_768),
    'gpt-5': model([1.25, 0.125, 10], 400_000, 128_000),
    'gpt-5-chat-latest': model([1.25, 0.125, 10], 128_000, 16_384),
    'gpt-5-codex': model([1.25, 0.125, 10], 400_000, 128_000),
    'gpt-5-mini': model([0.25, 0.025, 2], 400_000, 128_000),
    'gpt-5-nano': model([0.05, 0.005, 0.4], 400_000, 128_000),
    'gpt-5-pro': model([15, null, 120], 400_000, 272_000),
    'gpt-5.1': model([1.25, 0.125, 10], 400_000, 128_000),
    'gpt-5.1-chat-latest': model([1.25, 0.125, 10], 128_000, 16_384),
    'gpt-5.1-codex': model([1.25, 0.125, 10], 400_000, 128_000),
    'gpt-5.1-codex-mini': model([0.25, 0.025, 2], 400_000, 128_000),
    'gpt-5.2': model([1.75, 0.175, 14], 400_000, 128_000),
    o1: model([15, 7.5, 60], 200_000, 100_000),
    'o1-mini': model([1.1, 0.55, 4.4], 128_000, 65_536),
    'o1-pro': model([150, null, 600], 200_000, 100_000),
    o3: model([2, 0.5, 8], 200_000, 100_000),
    'o3-mini': model([1.1, 0.55, 4.4], 200_000, 100_000),
    'o3-pro': model([20, null, 80], 200_000, 100_000),
    'o4-mini': model([1.1, 0.275, 4.4], 200_000, 100_000),
    'text-embedding-3-small': model([0.02, null, 0], 8_192, 0),
    'text-embedding-3-large': model([0.13, null, 0], 8_192, 0),
    'text-embedding-ada-002': model([0.1, null, 0], 8_192, 0),
  },
}

const SONNET_LONG = { long: { above: 200_000, input: 6, cachedInput: 0.6, output: 22.5 } } as const

const ANTHROPIC: Vendor = {
  prefixes: ['claude-'],
  asOf: '2026-10-10',
  // Of what is kept for five minutes; for an hour it is 2, which usage does not tell apart.
  cacheWriteFactor: 1.25,
  models: {
    'claude-3-haiku': model([0.25, 0.03, 1.25], 200_000, 4_096, { cacheWrite: 0.3 }),
    'claude-3-opus': model([15, 1.5, 75], 200_000, 4_096),
    'claude-3-5-haiku': model([0.8, 0.08, 4], 200_000, 8_192),
    'claude-3-5-sonnet': model([3, 0.3, 15], 200_000, 8_192),
    // Twice 64,000 with the beta `output-128k-2025-02-19`.
    'claude-3-7-sonnet': model([3, 0.3, 15], 200_000, 128_000),
    'claude-haiku-4-5': model([1, 0.1, 5], 200_000, 64_000),
    'claude-sonnet-4': model([3, 0.3, 15], 1_000_000, 64_000, SONNET_LONG),
    'claude-sonnet-4-0': model([3, 0.3, 15], 1_000_000, 64_000, SONNET_LONG),
    'claude-sonnet-4-5': model([3, 0.3, 15], 1_000_000, 64_000, SONNET_LONG),
    'claude-sonnet-4-6': model([3, 0.3, 15], 1_000_000, 128_000),
    'claude-opus-4': model([15, 1.5, 75], 200_000, 32_000),
    'claude-opus-4-0': model([15, 1.5, 75], 200_000, 32_000),
    'claude-opus-4-1': model([15, 1.5, 75], 200_000, 32_000),
    'claude-opus-4-5': model([5, 0.5, 25], 200_000, 64_000),
    'claude-opus-4-6': model([5, 0.5, 25], 1_000_000, 128_000),
    'claude-opus-4-7': model([5, 0.5, 25], 1_000_000, 128_000),
    'claude-opus-4-8': model([5, 0.5, 25], 1_000_000, 128_000),
    'claude-sonnet-5': model([2, 0.2, 10], 1_000_000, 128_000),
    'claude-sonnet-5-5': model([2, 0.1, 10], 1_000_000, 128_000),
    'claude-opus-5': model([5, 0.5, 25], 1_000_000, 128_000),
    'claude-opus-5-5': model([4, 0.2, 20], 1_000_000, 128_000),
  },
}

const GEMINI: Vendor = {
  prefixes: ['gemini-'],
  asOf: '2026-03-31',
  cacheWriteFactor: 1,
  models: {
    'gemini-1.5-flash': model([0.075, 0.01875, 0.3], 1_048_576, 8_192, {
      long: { above: 128_000, input: 0.15, cachedInput: 0.0375, output: 0.6 },
    }),
    'gemini-1.5-flash-8b': model([0.0375, 0.01, 0.15], 1_048_576, 8_192, {
      long: { above: 128_000, input: 0.075, cachedInput: 0.02, output: 0.3 },
    }),
    'gemini-1.5-pro': model([1.25, 0.3125, 5], 2_097_152, 8_192, {
      long: { above: 128_000, input: 2.5, cachedInput: 0.625, output: 10 },
    }),
    'gemini-2.0-flash': model([0.1, 0.025, 0.4], 1_048_576, 8_192, { audioInput: 0.7 }),
    'gemini-2.0-flash-lite': model([0.075, null, 0.3], 1_048_576, 8_192),
    'gemini-2.5-flash': model([0.3, 0.03, 2.5], 1_048_576, 65_536, { audioInput: 1 }),
    'gemini-2.5-flash-lite': model([0.1, 0.01, 0.4], 1_048_576, 65_536, { audioInput: 0.3 }),
    'gemini-2.5-pro': model([1.25, 0.125, 10], 1_048_576, 65_536, {
      long: { above: 200_000, input: 2.5, cachedInput: 0.25, output: 15 },
    }),
    'gemini-embedding-001': model([0.15, null, 0], 2_048, 0),
  },
}

/** The vendors whose models are known. A model that is not sure is not here: it has no price until the configuration gives one. */
export const vendors: readonly Vendor[] = [OPENAI, ANTHROPIC, GEMINI]
