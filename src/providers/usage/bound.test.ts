import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OperationId } from '#core/operations.ts'
import type { FormatName } from '#providers/wire-format.ts'
import { boundUsage } from './bound.ts'

type Body = Record<string, unknown>

function bound(operation: OperationId, body: Body, modelMaxOutput: number | null = null) {
  return boundUsage(operation.split('.')[0] as FormatName, operation, body, JSON.stringify(body).length, modelMaxOutput)
}

const outputs: readonly (readonly [OperationId, Body, model: number | null, expected: number | null])[] = [
  ['openai.chat', {}, null, null],
  ['openai.chat', {}, 500, 500],
  ['openai.chat', { n: 3 }, 500, 1500],
  ['openai.chat', { max_tokens: 10 }, 500, 10],
  ['openai.chat', { max_completion_tokens: 10, n: 4 }, null, 40],
  ['openai.chat', { max_completion_tokens: 10, max_tokens: 70 }, null, 70],
  ['openai.chat', { max_tokens: null }, 500, 500],
  ['openai.chat', { max_tokens: 0 }, null, null],
  ['openai.chat', { max_tokens: -1 }, 500, null],
  ['openai.chat', { max_tokens: '10' }, 500, null],
  ['openai.chat', { max_tokens: 1.5 }, 500, null],
  ['openai.chat', { max_tokens: 10, n: -1 }, null, null],
  ['openai.chat', { max_tokens: 10, n: '2' }, null, null],
  ['openai.chat', { max_tokens: 10, n: 2, best_of: 5 }, null, 50],
  ['openai.chat', { max_tokens: 10, n: 0 }, null, 10],
  ['openai.chat', { max_tokens: Number.MAX_SAFE_INTEGER, n: 2 }, null, null],
  // The name of another operation bounds nothing.
  ['openai.chat', { max_output_tokens: 10 }, null, null],
  ['openai.responses', { max_tokens: 10 }, null, null],
  ['openai.responses', { max_output_tokens: 10 }, null, 10],
  ['openai.embeddings', { max_tokens: 10 }, 500, 0],
  ['anthropic.messages', { max_tokens: 10, thinking: { type: 'enabled', budget_tokens: 5 } }, null, 10],
  ['gemini.generate', { generationConfig: { maxOutputTokens: 10, candidateCount: 2 } }, null, 20],
  ['gemini.generate', { generation_config: { max_output_tokens: 10, candidate_count: 2 } }, null, 20],
  ['gemini.generate', { generationConfig: { maxOutputTokens: 10, thinkingConfig: { thinkingBudget: 7 } } }, null, 17],
  ['gemini.generate', { generationConfig: { maxOutputTokens: 10, thinkingConfig: { thinkingBudget: -1 } } }, null, 10],
  ['gemini.generate', { generationConfig: 'x' }, 500, 500],
]

for (const [operation, body, model, expected] of outputs) {
  test(`${operation} ${JSON.stringify(body)}, model ${model}: writes ${expected} at most`, () => {
    assert.equal(bound(operation, body, model).output, expected)
  })
}

const user = (...content: unknown[]) => ({ messages: [{ role: 'user', content }] })
const parts = (...parts: unknown[]) => ({ contents: [{ parts }] })
const PNG = 'data:image/png;base64,AAAA'

const unbounded: readonly (readonly [OperationId, Body, named: RegExp | null])[] = [
  ['openai.chat', user({ type: 'text', text: 'https://example.com/a_url' }), null],
  ['openai.chat', user({ type: 'image_url', image_url: { url: 'https://example.com/x.png' } }), /address/],
  ['openai.chat', user({ type: 'image_url', image_url: 'https://example.com/x.png' }), /address \(image_url\)/],
  ['openai.chat', user({ type: 'image_url', image_url: { url: PNG } }), null],
  ['openai.chat', user({ type: 'video_url', video_url: { url: 'https://example.com/x.mp4' } }), /address/],
  ['openai.chat', user({ type: 'file', file: { file_id: 'f' } }), /by its id/],
  ['openai.chat', { web_search_options: {} }, /web_search_options/],
  ['openai.chat', { prediction: { type: 'content', content: 'x' } }, /prediction/],
  [
    'openai.chat',
    { tools: [{ type: 'function', function: { parameters: { properties: { image_url: { type: 'string' } } } } }] },
    null,
  ],
  ['openai.chat', { tools: [{ type: 'openrouter:web_search' }] }, /the tool openrouter:web_search/],
  ['openai.responses', { input: [{ content: [{ type: 'input_image', image_url: 'https://x.y/z' }] }] }, /address/],
  ['openai.responses', { input: [{ content: [{ type: 'input_file', file_url: 'https://x.y/z' }] }] }, /address/],
  ['openai.responses', { input: [{ annotations: [{ type: 'url_citation', url: 'https://x.y/z' }] }] }, null],
  ['openai.responses', { background: true }, /background/],
  ['openai.responses', { background: false }, null],
  ['openai.responses', { reasoning: { mode: 'pro' } }, /reasoning\.mode/],
  ['openai.responses', { tools: [{ type: 'function' }, { type: 'code_interpreter' }] }, /code_interpreter/],
  ['openai.responses', { tools: [{ type: 'whatever comes next' }] }, /whatever comes next/],
  ['openai.responses', { tools: [{ type: 'custom' }, { type: 'local_shell' }] }, null],
  ['anthropic.messages', user({ type: 'image', source: { type: 'url', url: 'https://x.y/z' } }), /address/],
  [
    'anthropic.messages',
    user({ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA' } }),
    null,
  ],
  [
    'anthropic.messages',
    {
      tools: [
        { name: 'x', input_schema: {} },
        { type: 'bash_20250124', name: 'bash' },
      ],
    },
    null,
  ],
  ['anthropic.messages', { tools: [{ type: 'web_search_20250305' }] }, /web_search/],
  ['anthropic.messages', { tools: [{ type: 'advisor_20260301' }] }, /advisor/],
  ['anthropic.messages', { mcp_servers: [{ url: 'https://x.y' }] }, /mcp_servers/],
  ['anthropic.messages', { mcp_servers: [] }, null],
  ['gemini.generate', parts({ fileData: { fileUri: 'https://x.y/z' } }), /fileUri/],
  ['gemini.generate', parts({ file_data: { file_uri: 'https://x.y/z' } }), /file_uri/],
  ['gemini.generate', parts({ inlineData: { mimeType: 'image/png', data: 'AA' } }), null],
  ['gemini.generate', { tools: [{ functionDeclarations: [] }] }, null],
  ['gemini.generate', { tools: [{ functionDeclarations: [], googleSearch: {} }] }, /googleSearch/],
  ['gemini.generate', { tools: [null] }, /null/],
]

for (const [operation, body, named] of unbounded) {
  test(`${operation} ${JSON.stringify(body)}: ${named === null ? 'is bounded' : `has no bound, for ${named.source}`}`, () => {
    const found = bound(operation, body).unbounded
    if (named === null) assert.equal(found, null)
    else assert.match(String(found), named)
  })
}

const unpriced: readonly (readonly [OperationId, Body, named: RegExp | null])[] = [
  ['openai.chat', { service_tier: 'priority' }, /service_tier "priority"/],
  ['openai.chat', { service_tier: 'whatever comes next' }, /service_tier/],
  ['openai.responses', { service_tier: 'auto' }, null],
  ['openai.chat', { service_tier: 'flex' }, null],
  ['anthropic.messages', { service_tier: 'standard_only' }, null],
  ['anthropic.messages', { speed: 'fast' }, /speed/],
  ['anthropic.messages', { inference_geo: 'us' }, /inference_geo/],
  ['anthropic.messages', { system: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }] }, null],
  ['anthropic.messages', { system: [{ cache_control: { type: 'ephemeral', ttl: '5m' } }] }, null],
  ['anthropic.messages', user({ type: 'text', text: 'x', cache_control: { ttl: '1h' } }), /five minutes/],
  ['anthropic.messages', { tools: [{ name: 'x', cache_control: { ttl: '1h' } }] }, /five minutes/],
]

for (const [operation, body, named] of unpriced) {
  test(`${operation} ${JSON.stringify(body)}: costs ${named === null ? 'what the list says' : `more, for ${named.source}`}`, () => {
    const found = bound(operation, body).unpriced
    if (named === null) assert.equal(found, null)
    else assert.match(String(found), named)
  })
}

test('a token of text is a byte at least; images, documents and tools have bounds of their own', () => {
  const text = { messages: [{ role: 'user', content: 'x'.repeat(1000) }] }
  const bytes = JSON.stringify(text).length
  assert.equal(bound('openai.chat', text).input, bytes + 64)
  const image = user({ type: 'image_url', image_url: { url: PNG } }, { type: 'image_url', image_url: { url: PNG } })
  assert.ok(bound('openai.chat', image).input > 100_000)
  const pdf = user({ type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'AA' } })
  assert.ok(bound('anthropic.messages', pdf).input > 2_000_000)
  const plain = user({ type: 'document', source: { type: 'base64', media_type: 'text/plain', data: 'AA' } })
  assert.ok(bound('anthropic.messages', plain).input < 300)
  const tools = {
    tools: [
      { name: 'x', input_schema: {} },
      { type: 'computer_20250124', name: 'computer' },
    ],
  }
  assert.ok(bound('anthropic.messages', tools).input >= 2048)
})

test('the estimate leaves base64 out, and prices an image as one', () => {
  const image = user({ type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(1_000_000)}` } })
  const { estimateInput, input } = bound('openai.chat', image)
  assert.ok(estimateInput > 1600 && estimateInput < 1800, String(estimateInput))
  assert.ok(input > 1_000_000)
  const audio = user({ type: 'input_audio', input_audio: { format: 'mp3', data: 'A'.repeat(100_000) } })
  assert.ok(Math.abs(bound('openai.chat', audio).estimateInput - 1050) < 50)
})
