import Type, { type Static } from 'typebox'
import { type UsageQuery, type UsageSum, usageDimensions } from '#store/usage-port.ts'
import { toUsd } from '#usage/money.ts'
import { reportCounts } from '#usage/report-counts.ts'

const count = (description: string, example = 0) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description, examples: [example] })
const named = (description: string, example: string) => Type.Optional(Type.String({ description, examples: [example] }))

/** Tokens of a part are counted in the whole, too. */
const counts = {
  requests: count('Calls, all of them.', 120),
  failed: count('Calls that the provider or the gateway failed.', 1),
  refused: count('Calls that the gateway refused, knowing the caller.', 3),
  input_tokens: count('Tokens of input, also those read from or written to a cache.', 84_000),
  cached_input_tokens: count('Of the input: read from the provider’s cache.', 32_000),
  cache_write_tokens: count('Of the input: written to the provider’s cache.'),
  output_tokens: count('Tokens of output, also reasoning.', 12_000),
  reasoning_tokens: count('Of the output: reasoning.', 4_000),
  audio_input_tokens: count('Of the input: audio.'),
  audio_output_tokens: count('Of the output: audio.'),
  image_input_tokens: count('Of the input: images.'),
  image_output_tokens: count('Of the output: images.'),
  cost_usd: Type.String({
    description: 'What it cost in US dollars, exact; without unpriced calls.',
    examples: ['1.2345'],
  }),
  unpriced: count('Calls that used something for which no price is known.'),
  estimated: count('Calls of which the gateway estimated what they used: the provider did not say.', 2),
} satisfies Record<(typeof reportCounts)[number], unknown>

export const usageView = Type.Object({
  time: named('Beginning of the hour, day or month, where `by` tells them apart.', '2026-01-31T00:00:00.000Z'),
  project: named('Id of the project, where `by` tells them apart.', 'proj_default'),
  key: named('Id of the key, where `by` tells them apart.', 'key_01kd5e7m3v9qwhc4t2x8r6b0zn'),
  model: named('Name that callers used, empty where a call came to none; `*` = too many names.', 'gpt-5'),
  provider: named('Provider, empty where a call came to none.', 'openai'),
  environment: named('Environment of the key.', 'live'),
  ...counts,
})

export type UsageView = Static<typeof usageView>

const dimensionNames = ['time', ...usageDimensions] as const

/** The columns of CSV. */
export function usageColumns(by: UsageQuery['by']): readonly (keyof UsageView)[] {
  return [...by, ...reportCounts]
}

export function viewUsage(by: UsageQuery['by'], sum: UsageSum): UsageView {
  const group = Object.fromEntries(
    dimensionNames.flatMap(name => {
      const value = sum.group[by.indexOf(name)]
      if (value === undefined) return []
      return [[name, name === 'time' ? new Date(value).toISOString() : String(value)]]
    }),
  )
  return {
    ...group,
    requests: sum.requests,
    failed: sum.failed,
    refused: sum.refused,
    input_tokens: sum.input,
    cached_input_tokens: sum.cachedInput,
    cache_write_tokens: sum.cacheWrite,
    output_tokens: sum.output,
    reasoning_tokens: sum.reasoning,
    audio_input_tokens: sum.audioInput,
    audio_output_tokens: sum.audioOutput,
    image_input_tokens: sum.imageInput,
    image_output_tokens: sum.imageOutput,
    cost_usd: toUsd(sum.costNanoUsd),
    unpriced: sum.unpriced,
    estimated: sum.estimated,
  }
}
