import type { UsageDialect } from './dialect.ts'
import { ScanWords } from './json-scan.ts'
import { readUsage } from './openai-chat.ts'

const words = new ScanWords({
  reports: [{ outer: null, name: 'usage' }],
  text: [],
  reasoning: [],
  objects: [],
  call: null,
  last: null,
  numbers: 'embedding',
})

/** OpenAI embeddings: `usage.prompt_tokens`. There is no output. */
export const openaiEmbeddings: UsageDialect = {
  events: words,
  whole: words,
  end: 'done',
  read([usage]) {
    const reported = readUsage(usage)
    return { ...reported, output: 0, complete: reported.input !== null }
  },
}
