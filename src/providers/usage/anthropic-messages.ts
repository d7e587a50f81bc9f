import { count, first, member, sum } from './counts.ts'
import type { UsageDialect } from './dialect.ts'
import { type ScanPlan, ScanWords } from './json-scan.ts'

const plan: ScanPlan = {
  reports: [
    { outer: null, name: 'usage' },
    { outer: 'message', name: 'usage' },
  ],
  // `data` is thinking that was redacted.
  text: ['text', 'partial_json', 'data'],
  reasoning: ['thinking'],
  objects: ['input'],
  call: 'name',
  last: { name: 'type', depth: 1, values: ['message_stop'] },
  numbers: null,
}
const words = new ScanWords(plan)

/**
 * Anthropic messages: `usage` of the answer; of a stream the input of `message_start` and the output of the last
 * `message_delta`, which may repeat the input and then counts. Input comes in three exclusive parts. Where several
 * samplings were made for one answer (`iterations`: compaction, an advisor), all of them are billed, and the counts at
 * the top leave some out.
 */
export const anthropicMessages: UsageDialect = {
  events: words,
  whole: words,
  end: 'last',
  read([delta, start]) {
    const read = (name: string) => count(member(delta, name)) ?? count(member(start, name))
    const iterations = member(delta, 'iterations')
    const all = Array.isArray(iterations) && iterations.length > 0 ? iterations : null
    const total = (name: string) => {
      const top = read(name)
      const ofAll = all && sum(...all.map(iteration => count(member(iteration, name))))
      return top === null || (ofAll !== null && ofAll > top) ? ofAll : top
    }
    const cachedInput = total('cache_read_input_tokens')
    const cacheWrite = total('cache_creation_input_tokens')
    const input = sum(total('input_tokens'), cachedInput, cacheWrite)
    const output = total('output_tokens')
    return {
      input,
      output,
      // What `message_start` says of the output is where it begins.
      complete: input !== null && count(member(delta, 'output_tokens')) !== null,
      cachedInput: cachedInput ?? 0,
      cacheWrite: cacheWrite ?? 0,
      reasoning: first(member(member(delta, 'output_tokens_details'), 'thinking_tokens')),
      audioInput: 0,
      audioOutput: 0,
      imageInput: 0,
      imageOutput: 0,
    }
  },
}
