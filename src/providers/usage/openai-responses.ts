import { count, first, member } from './counts.ts'
import type { UsageDialect } from './dialect.ts'
import { type ScanPlan, ScanWords } from './json-scan.ts'

const plan: ScanPlan = {
  reports: [
    { outer: null, name: 'usage' },
    { outer: 'response', name: 'usage' },
  ],
  // Later events repeat whole what came in deltas.
  text: ['delta'],
  reasoning: [],
  objects: [],
  call: 'call_id',
  last: {
    name: 'type',
    depth: 1,
    values: ['response.completed', 'response.incomplete', 'response.failed', 'response.cancelled'],
  },
  numbers: null,
}

/** OpenAI responses: `usage` of the answer, or of the response in the event that ends the stream. */
export const openaiResponses: UsageDialect = {
  events: new ScanWords(plan),
  whole: new ScanWords({ ...plan, text: ['text', 'arguments', 'refusal', 'input', 'code'] }),
  end: 'last report',
  read([plain, ofResponse]) {
    const usage = ofResponse ?? plain
    const input = count(member(usage, 'input_tokens'))
    const output = count(member(usage, 'output_tokens'))
    const of = member(usage, 'input_tokens_details')
    const to = member(usage, 'output_tokens_details')
    return {
      input,
      output,
      complete: input !== null && output !== null,
      cachedInput: first(member(of, 'cached_tokens')),
      cacheWrite: first(member(of, 'cache_write_tokens')),
      reasoning: first(member(to, 'reasoning_tokens')),
      audioInput: first(member(of, 'audio_tokens')),
      audioOutput: first(member(to, 'audio_tokens')),
      imageInput: first(member(of, 'image_tokens')),
      imageOutput: first(member(to, 'image_tokens')),
    }
  },
}
