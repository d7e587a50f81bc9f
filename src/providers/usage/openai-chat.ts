import { count, first, member } from './counts.ts'
import type { Reported, UsageDialect } from './dialect.ts'
import { type ScanPlan, ScanWords } from './json-scan.ts'

const plan: ScanPlan = {
  reports: [
    { outer: null, name: 'usage' },
    { outer: 'x_groq', name: 'usage' },
  ],
  text: ['content', 'text', 'arguments', 'refusal', 'transcript', 'input'],
  reasoning: ['reasoning_content', 'reasoning', 'thinking'],
  objects: [],
  call: 'name',
  last: null,
  numbers: null,
}
const words = new ScanWords(plan)

/**
 * OpenAI chat completions, and the many that speak like it: `usage` of the answer or of the last chunk that has one;
 * Groq's `x_groq.usage`. A stream is at its end with `[DONE]` only: some repeat a growing `usage` in each chunk.
 */
export const openaiChat: UsageDialect = {
  events: words,
  whole: words,
  end: 'done',
  read([usage, groq]) {
    return readUsage(count(member(usage, 'prompt_tokens')) === null ? (groq ?? usage) : usage)
  },
}

/** `prompt_tokens` and `completion_tokens` with their details, by whichever of their names a vendor uses. */
export function readUsage(usage: unknown): Reported {
  const input = count(member(usage, 'prompt_tokens'))
  const completion = count(member(usage, 'completion_tokens'))
  const total = count(member(usage, 'total_tokens'))
  // Some leave reasoning out of `completion_tokens`, and have it in the total only.
  const rest = input !== null && total !== null && total > input ? total - input : null
  const output = completion === null ? rest : Math.max(completion, rest ?? 0)
  const of = member(usage, 'prompt_tokens_details')
  const to = member(usage, 'completion_tokens_details')
  return {
    input,
    output,
    complete: input !== null && output !== null,
    cachedInput: first(
      member(of, 'cached_tokens'),
      member(usage, 'cached_tokens'),
      member(usage, 'num_cached_tokens'),
      member(usage, 'prompt_cache_hit_tokens'),
    ),
    cacheWrite: first(member(of, 'cache_write_tokens')),
    reasoning: first(member(to, 'reasoning_tokens')),
    audioInput: first(member(of, 'audio_tokens')),
    audioOutput: first(member(to, 'audio_tokens')),
    imageInput: first(member(of, 'image_tokens')),
    imageOutput: first(member(to, 'image_tokens')),
  }
}
