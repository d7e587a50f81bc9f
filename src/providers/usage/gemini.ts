import { count, first, member, sum } from './counts.ts'
import type { UsageDialect } from './dialect.ts'
import { type ScanPlan, ScanWords } from './json-scan.ts'

const plan: ScanPlan = {
  reports: [
    { outer: null, name: 'usageMetadata' },
    { outer: null, name: 'usage_metadata' },
  ],
  text: ['text', 'code', 'output'],
  reasoning: [],
  objects: ['args'],
  call: 'name',
  last: { name: 'finishReason', depth: 3, values: null },
  numbers: null,
}
const words = new ScanWords(plan)

/**
 * Gemini: the last `usageMetadata`, which every chunk of a stream may carry and which grows. Thoughts are beside the
 * candidates' tokens; what tools of the provider fed to the model is beside the prompt's.
 */
export const gemini: UsageDialect = {
  events: words,
  whole: words,
  end: 'last report',
  read([camel, snake]) {
    const usage = camel ?? snake
    const prompt = count(member(usage, 'promptTokenCount'))
    const thoughts = count(member(usage, 'thoughtsTokenCount'))
    const candidates = count(member(usage, 'candidatesTokenCount'))
    const input = sum(prompt, count(member(usage, 'toolUsePromptTokenCount')))
    // An answer without content has no count of it.
    const output = sum(candidates, thoughts) ?? (prompt === null ? null : 0)
    const modality = (list: string, name: string) => ofModality(member(usage, list), name)
    return {
      input,
      output,
      complete: input !== null && output !== null,
      cachedInput: first(member(usage, 'cachedContentTokenCount')),
      cacheWrite: 0,
      reasoning: thoughts ?? 0,
      audioInput: modality('promptTokensDetails', 'AUDIO'),
      audioOutput: modality('candidatesTokensDetails', 'AUDIO'),
      imageInput: modality('promptTokensDetails', 'IMAGE'),
      imageOutput: modality('candidatesTokensDetails', 'IMAGE'),
    }
  },
}

function ofModality(details: unknown, name: string): number {
  if (!Array.isArray(details)) return 0
  return (
    sum(...details.filter(part => member(part, 'modality') === name).map(part => count(member(part, 'tokenCount')))) ??
    0
  )
}
