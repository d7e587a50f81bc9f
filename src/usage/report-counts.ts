/** What reports of usage count, in the order of CSV. */
export const reportCounts = [
  'requests',
  'failed',
  'refused',
  'input_tokens',
  'cached_input_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'audio_input_tokens',
  'audio_output_tokens',
  'image_input_tokens',
  'image_output_tokens',
  'cost_usd',
  'unpriced',
  'estimated',
] as const
