/** Sizes of the measured chat-completion bodies, in KB: a question, a conversation, a long one, a document. */
export const bodySizesKb = [0.3, 2, 17, 137] as const

export type BodySizeKb = (typeof bodySizesKb)[number]

const sentences = [
  'Summarise the contract in plain words, and name each clause that binds the tenant.',
  'The landlord wrote: "no pets, no subletting" — is that enforceable?\nAnswer for Zürich and for Köln.',
  'Path of the file: C:\\contracts\\2024\\lease.pdf\tpage 7, paragraph 3.',
  'Merci, et donnez la réponse en français aussi: où, quand, combien (en €)?',
  '契約書の第三条を要約してください。',
  'Use {"clause": "…", "risk": 1} as the shape of each line; 😀 marks a harmless one.',
]

/**
 * A chat-completion request of the given size: a realistic conversation of many messages with escapes and letters
 * beyond ASCII. The same size gives the same bytes, and the size is exact to the byte (1 KB = 1,000 bytes).
 */
export function chatBody(sizeKb: BodySizeKb): string {
  const size = Math.round(sizeKb * 1000)
  const messages = [{ role: 'system', content: 'You are a careful legal assistant.' }]
  let body = render(messages)
  for (let turn = 0; ; turn++) {
    const message = { role: turn % 2 === 0 ? 'user' : 'assistant', content: paragraph(turn) }
    const longer = render([...messages, message])
    if (Buffer.byteLength(longer) > size) break
    messages.push(message)
    body = longer
  }
  const last = messages[messages.length - 1] as { content: string }
  last.content += '.'.repeat(size - Buffer.byteLength(body))
  return render(messages)
}

function paragraph(turn: number): string {
  const length = 1 + (turn % 5)
  return Array.from({ length }, (_, i) => sentences[(turn * 3 + i) % sentences.length]).join(' ')
}

function render(messages: readonly { role: string; content: string }[]): string {
  return JSON.stringify({ model: 'bench', messages, temperature: 0.2, max_tokens: 256 })
}

/** What the static upstream answers: about 600 bytes, as a short completion is. */
export const chatAnswer = JSON.stringify({
  id: 'chatcmpl-BenchBenchBenchBenchBench00',
  object: 'chat.completion',
  created: 1735689600,
  model: 'bench',
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content:
          'The clause binds the tenant for twelve months. It may be ended earlier only if a suitable successor is named.',
        refusal: null,
        annotations: [],
      },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: {
    prompt_tokens: 78,
    completion_tokens: 24,
    total_tokens: 102,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  },
  service_tier: 'default',
  system_fingerprint: 'fp_bench',
})
