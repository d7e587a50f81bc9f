import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { OperationId } from '#core/operations.ts'
import type { MeteredUsage, TokenUsage } from '#core/usage.ts'
import type { FormatName } from '#providers/wire-format.ts'
import { NO_USAGE } from './counts.ts'
import { createUsageReader, usageWithoutReply } from './reader.ts'

interface Told {
  readonly events?: boolean
  readonly whole?: boolean
  readonly status?: number
  readonly encoded?: boolean
  readonly body?: Record<string, unknown>
  readonly inputBytes?: number
  readonly contentLength?: number
  readonly maxOutputTokens?: number
}

const formatOf = (operation: OperationId) => operation.split('.')[0] as FormatName

function open(
  operation: OperationId,
  { events = false, status = 200, encoded = false, body = {}, ...told }: Told = {},
) {
  const inputBytes = told.inputBytes ?? 100
  const { contentLength = null, maxOutputTokens = null } = told
  const streams = events || operation === 'gemini.stream'
  const asked = { format: formatOf(operation), operation, inputBytes, body: () => body, maxOutputTokens }
  return createUsageReader({ ...asked, events, streams, encoded, status, contentLength })
}

function read(operation: OperationId, text: string, told: Told = {}): MeteredUsage {
  const reader = open(operation, told)
  reader.push(Buffer.from(text))
  return reader.end(told.whole ?? true)
}

const sse = (...events: object[]) => events.map(event => `data: ${JSON.stringify(event)}\n\n`).join('')

const told = (usage: Partial<TokenUsage>): MeteredUsage => ({ ...NO_USAGE, ...usage, source: 'provider' })

const answers: readonly (readonly [what: string, OperationId, answer: object, expected: Partial<TokenUsage>])[] = [
  [
    'chat with details',
    'openai.chat',
    {
      choices: [{ message: { content: 'usage' } }],
      usage: {
        prompt_tokens: 100,
        completion_tokens: 50,
        total_tokens: 150,
        prompt_tokens_details: { cached_tokens: 40, audio_tokens: 5, cache_write_tokens: 3, image_tokens: 2 },
        completion_tokens_details: { reasoning_tokens: 30, audio_tokens: 4, image_tokens: 1 },
      },
    },
    {
      input: 100,
      output: 50,
      cachedInput: 40,
      cacheWrite: 3,
      audioInput: 5,
      imageInput: 2,
      reasoning: 30,
      audioOutput: 4,
      imageOutput: 1,
    },
  ],
  [
    'chat with no details',
    'openai.chat',
    { usage: { prompt_tokens: 1, completion_tokens: 2, prompt_tokens_details: null, completion_tokens_details: null } },
    { input: 1, output: 2 },
  ],
  [
    'chat whose total has reasoning that its completion lacks',
    'openai.chat',
    {
      usage: {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 40,
        completion_tokens_details: { reasoning_tokens: 25 },
      },
    },
    { input: 10, output: 30, reasoning: 25 },
  ],
  [
    'chat of Groq',
    'openai.chat',
    { x_groq: { usage: { prompt_tokens: 3, completion_tokens: 4 } } },
    { input: 3, output: 4 },
  ],
  [
    'numbers as text and fractions',
    'openai.chat',
    { usage: { prompt_tokens: '7', completion_tokens: 2.5 } },
    { input: 7, output: 3 },
  ],
  [
    'parts above their whole',
    'openai.chat',
    {
      usage: {
        prompt_tokens: 7,
        completion_tokens: 2,
        prompt_tokens_details: { cached_tokens: 9 },
        completion_tokens_details: { reasoning_tokens: -4, audio_tokens: 1e300 },
      },
    },
    { input: 7, output: 2, cachedInput: 7, audioOutput: 2 },
  ],
  [
    'numbers above all bounds',
    'openai.chat',
    { usage: { prompt_tokens: 1e300, completion_tokens: Number.MAX_SAFE_INTEGER } },
    { input: Number.MAX_SAFE_INTEGER, output: Number.MAX_SAFE_INTEGER },
  ],
  ['zeros', 'openai.chat', { usage: { prompt_tokens: 0, completion_tokens: 0 } }, {}],
  [
    'a response',
    'openai.responses',
    {
      output: [{ type: 'function_call', call_id: 'c', arguments: '{"usage":{"input_tokens":1}}' }],
      usage: {
        input_tokens: 20,
        input_tokens_details: { cached_tokens: 10 },
        output_tokens: 30,
        output_tokens_details: { reasoning_tokens: 25 },
      },
    },
    { input: 20, output: 30, cachedInput: 10, reasoning: 25 },
  ],
  [
    'embeddings',
    'openai.embeddings',
    { data: [{ embedding: [0.1, -2e-5, 3] }, { embedding: 'AAAA' }], usage: { prompt_tokens: 8, total_tokens: 8 } },
    { input: 8 },
  ],
  [
    'a message',
    'anthropic.messages',
    {
      content: [{ type: 'tool_use', name: 'x', input: { usage: { input_tokens: 999, output_tokens: 999 } } }],
      usage: { input_tokens: 10, cache_creation_input_tokens: 20, cache_read_input_tokens: 70, output_tokens: 5 },
    },
    { input: 100, cachedInput: 70, cacheWrite: 20, output: 5 },
  ],
  [
    'a message, named again in arguments that follow',
    'anthropic.messages',
    {
      usage: { input_tokens: 10, output_tokens: 5 },
      content: [{ type: 'tool_use', name: 'x', input: { usage: { input_tokens: 999, output_tokens: 999 } } }],
      message: [{ usage: { input_tokens: 999, output_tokens: 999 } }],
    },
    { input: 10, output: 5 },
  ],
  [
    'a message of several samplings',
    'anthropic.messages',
    {
      usage: {
        input_tokens: 10,
        output_tokens: 5,
        iterations: [
          { type: 'compaction', input_tokens: 1000, cache_read_input_tokens: 50, output_tokens: 200 },
          { type: 'message', input_tokens: 10, output_tokens: 5 },
        ],
      },
    },
    { input: 1060, cachedInput: 50, output: 205 },
  ],
  [
    'content of Gemini',
    'gemini.generate',
    {
      usageMetadata: {
        promptTokenCount: 100,
        toolUsePromptTokenCount: 11,
        cachedContentTokenCount: 60,
        candidatesTokenCount: 7,
        thoughtsTokenCount: 20,
        promptTokensDetails: [
          { modality: 'TEXT', tokenCount: 50 },
          { modality: 'AUDIO', tokenCount: 40 },
          { modality: 'IMAGE', tokenCount: 10 },
        ],
        candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 6 }],
      },
    },
    { input: 111, cachedInput: 60, output: 27, reasoning: 20, audioInput: 40, imageInput: 10, imageOutput: 6 },
  ],
  ['Gemini without an answer', 'gemini.generate', { usageMetadata: { promptTokenCount: 9 } }, { input: 9 }],
]

for (const [what, operation, answer, expected] of answers) {
  test(`reads the use of ${what}, wherever its bytes are cut`, () => {
    assert.deepEqual(read(operation, JSON.stringify(answer)), told(expected))
    assert.deepEqual(read(operation, JSON.stringify(answer, null, 2)), told(expected))
    const bytes = Buffer.from(JSON.stringify(answer))
    for (let at = 0; at <= bytes.length; at++) {
      const reader = open(operation)
      reader.push(bytes.subarray(0, at))
      reader.push(bytes.subarray(at))
      assert.deepEqual(reader.end(true), told(expected), `cut at ${at}`)
    }
  })
}

const chunk = (delta: object, more: object = {}) => ({
  choices: [{ delta, finish_reason: null }],
  usage: null,
  ...more,
})
const usageChunk = { choices: [], usage: { prompt_tokens: 12, completion_tokens: 3 } }
const DONE = 'data: [DONE]\n\n'

const messageStart = {
  type: 'message_start',
  message: { usage: { input_tokens: 25, cache_read_input_tokens: 5, output_tokens: 1 } },
}
const textDelta = (text: string) => ({ type: 'content_block_delta', delta: { type: 'text_delta', text } })
const messageDelta = (usage: object) => ({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage })
const messageStop = { type: 'message_stop' }

const streams: readonly (readonly [what: string, OperationId, stream: string, expected: Partial<TokenUsage>])[] = [
  [
    'the extra chunk of a chat',
    'openai.chat',
    sse(chunk({ content: 'hi' }), usageChunk) + DONE,
    { input: 12, output: 3 },
  ],
  [
    'the last of a chat that repeats it, x_groq beside',
    'openai.chat',
    sse(
      chunk({ content: 'a' }, { usage: { prompt_tokens: 12, completion_tokens: 1 } }),
      chunk({ content: 'b' }, { usage: { prompt_tokens: 12, completion_tokens: 2 } }),
      { choices: [], x_groq: { id: 'r', usage: { prompt_tokens: 99, completion_tokens: 99 } } },
    ) + DONE,
    { input: 12, output: 2 },
  ],
  [
    'response.completed, whose text names another',
    'openai.responses',
    sse(
      { type: 'response.created', response: { usage: null } },
      { type: 'response.output_text.delta', delta: '"usage":{"input_tokens":1,"output_tokens":1}' },
      { type: 'response.completed', response: { usage: { input_tokens: 4, output_tokens: 5 } } },
    ),
    { input: 4, output: 5 },
  ],
  [
    'response.incomplete',
    'openai.responses',
    sse({ response: { usage: { input_tokens: 4, output_tokens: 5 } }, type: 'response.incomplete' }),
    { input: 4, output: 5 },
  ],
  [
    'message_start and message_delta',
    'anthropic.messages',
    sse(messageStart, textDelta('hi'), messageDelta({ output_tokens: 9 }), messageStop),
    { input: 30, cachedInput: 5, output: 9 },
  ],
  [
    'message_delta that repeats the input',
    'anthropic.messages',
    sse(messageStart, messageDelta({ input_tokens: 40, cache_read_input_tokens: 0, output_tokens: 9 }), messageStop),
    { input: 40, output: 9 },
  ],
  [
    'the last usageMetadata with counts',
    'gemini.stream',
    sse(
      {
        candidates: [{ content: { parts: [{ text: 'a' }] } }],
        usageMetadata: { promptTokenCount: 6, candidatesTokenCount: 1 },
      },
      {
        candidates: [{ content: {}, finishReason: 'STOP' }],
        usageMetadata: { promptTokenCount: 6, candidatesTokenCount: 8 },
      },
      { usageMetadata: { trafficType: 'ON_DEMAND' } },
    ),
    { input: 6, output: 8 },
  ],
]

for (const [what, operation, stream, expected] of streams) {
  test(`reads ${what}, in any framing and wherever it is cut`, () => {
    for (const text of [
      stream,
      stream.replaceAll('\n', '\r\n'),
      stream.replaceAll('data: ', 'data:'),
      stream.replaceAll('\n\n', '   \n\n'),
      `: a comment "usage":{\n\n${stream.replaceAll('data: ', ': ping\nid: 1\nretry:9\ndata: ')}`,
      stream.replaceAll('data: {', 'data: {\ndata: '),
    ]) {
      const bytes = Buffer.from(text)
      // By its own words and not by its end: whoever hangs up now pays what the provider says.
      const whole = read(operation, text, { events: true, whole: false })
      assert.deepEqual(whole, told(expected), JSON.stringify(text))
      for (let at = 0; at <= bytes.length; at++) {
        const reader = open(operation, { events: true })
        reader.push(bytes.subarray(0, at))
        reader.push(bytes.subarray(at))
        assert.deepEqual(reader.end(false), whole, `cut at ${at}`)
      }
    }
  })
}

test('any cutting of a stream gives the same use, of the whole and of each beginning', () => {
  const text = 'Größe 😀 \\" \\\\ \u2028 } ] "usage": { 模型'
  const all = [
    [
      'openai.chat',
      sse(chunk({ role: 'assistant', content: '' }), chunk({ content: text }), chunk({ reasoning: text })) +
        sse(usageChunk) +
        DONE,
    ],
    ['anthropic.messages', sse(messageStart, textDelta(text), messageDelta({ output_tokens: 9 }), messageStop)],
    [
      'gemini.stream',
      sse({
        candidates: [{ content: { parts: [{ text }, { functionCall: { name: 'f', args: { text, n: [1] } } }] } }],
      }),
    ],
    ['openai.responses', sse({ type: 'response.output_text.delta', delta: text })],
  ] as const
  fc.assert(
    fc.property(
      fc.constantFrom(...all),
      fc.nat(),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      ([operation, stream], upTo, lengths) => {
        const bytes = Buffer.from(stream)
        const beginning = bytes.subarray(0, upTo % (bytes.length + 1))
        const once = open(operation, { events: true })
        once.push(beginning)
        const piecewise = open(operation, { events: true })
        for (let at = 0, n = 0; at < beginning.length; n++) {
          const length = lengths[n % lengths.length] as number
          piecewise.push(new Uint8Array(beginning.subarray(at, at + length)))
          at += length
        }
        assert.deepEqual(piecewise.end(false), once.end(false))
      },
    ),
    { numRuns: 2000 },
  )
})

test('junk never throws and never counts below zero', () => {
  const pieces = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc
      .constantFrom(
        ...'{ } [ ] : , " \\ \n \r\n \n\n data: "usage" "usage":{ "usageMetadata":{"promptTokenCount": "input_tokens":-1 1e999 null "x_groq" [DONE]'.split(
          ' ',
        ),
      )
      .map(text => Buffer.from(text)),
  )
  const operations = fc.constantFrom<OperationId>(
    'openai.chat',
    'openai.responses',
    'openai.embeddings',
    'anthropic.messages',
    'gemini.stream',
  )
  fc.assert(
    fc.property(
      operations,
      fc.boolean(),
      fc.boolean(),
      fc.array(pieces, { maxLength: 60 }),
      (operation, events, whole, chunks) => {
        const reader = open(operation, { events })
        for (const piece of chunks) reader.push(piece)
        const { source, ...counts } = reader.end(whole)
        assert.match(source, /^(?:provider|estimate)$/)
        for (const value of Object.values(counts)) assert.ok(Number.isSafeInteger(value) && value >= 0)
        assert.ok(counts.cachedInput + counts.cacheWrite <= counts.input && counts.reasoning <= counts.output)
      },
    ),
    { numRuns: 3000 },
  )
})

for (const [what, usage] of Object.entries({
  'no object': '"usage":[1,2]',
  nothing: '"usage":null',
  'no numbers': '"usage":{"prompt_tokens":{},"completion_tokens":true}',
  negatives: '"usage":{"prompt_tokens":-5,"completion_tokens":-1}',
  'no JSON': '"usage":{"prompt_tokens":0x10,"completion_tokens":}',
  'a member of another': '"other":{"usage":{"prompt_tokens":1,"completion_tokens":1}}',
  'an entry of a list': '"list":[{"usage":{"prompt_tokens":1,"completion_tokens":1}}]',
})) {
  test(`a use that is ${what} is estimated`, () => {
    const usage_ = read('openai.chat', `{"choices":[{"message":{"content":"${'word '.repeat(50)}"}}],${usage}}`)
    assert.equal(usage_.source, 'estimate')
    assert.equal(usage_.input, 40)
    assert.equal(usage_.output, 108)
  })
}

test('hung up on, a stream costs what was said so far and an estimate for the rest', () => {
  const reader = open('anthropic.messages', { events: true, inputBytes: 5000 })
  assert.deepEqual([reader.end().input, reader.end().output], [2000, 0], 'nothing came: the length of the request')
  reader.push(Buffer.from(sse(messageStart)))
  assert.deepEqual([reader.end().input, reader.end().output], [30, 1], 'the input is the provider’s word')
  reader.push(Buffer.from(sse(textDelta('twenty-five bytes of text'))))
  assert.deepEqual(reader.end(), { ...told({ input: 30, cachedInput: 5, output: 18 }), source: 'estimate' })
  reader.push(Buffer.from(sse(messageDelta({ output_tokens: 400 }))))
  assert.deepEqual([reader.end().source, reader.end().output], ['estimate', 400], 'message_stop has not come')
  assert.deepEqual([reader.end(true).source, reader.end(true).output], ['provider', 400])
})

test('Gemini’s growing count is what was used at least', () => {
  const text = 'x'.repeat(100)
  const events = sse({
    candidates: [{ content: { parts: [{ text }] } }],
    usageMetadata: { promptTokenCount: 6, candidatesTokenCount: 1, thoughtsTokenCount: 500 },
  })
  const usage = read('gemini.stream', events, { events: true, whole: false })
  assert.deepEqual([usage.source, usage.input, usage.output, usage.reasoning], ['estimate', 6, 501, 500])
})

test('Gemini’s stream as a list ends with its list', () => {
  const part = (text: string, candidatesTokenCount: number) => ({
    candidates: [{ content: { parts: [{ text }] } }],
    usageMetadata: { promptTokenCount: 6, candidatesTokenCount },
  })
  const list = `${JSON.stringify(part('a', 1))},\r\n${JSON.stringify(part('b', 40))}`
  assert.deepEqual(read('gemini.stream', `[${list}]`), told({ input: 6, output: 40 }))
  const cut = read('gemini.stream', `[${list}`, { whole: false })
  assert.deepEqual([cut.source, cut.input, cut.output], ['estimate', 6, 40])
})

test('thoughts that passed are reasoning, also in an estimate', () => {
  const events = sse(chunk({ reasoning_content: 'x'.repeat(25) }), chunk({ content: 'y'.repeat(25) }))
  const usage = read('openai.chat', events, { events: true, whole: false })
  assert.deepEqual([usage.output, usage.reasoning], [28, 10])
})

test('each piece of a stream is at least a token', () => {
  const digits = Array.from({ length: 200 }, () => chunk({ content: '1' }))
  assert.equal(read('openai.chat', sse(...digits), { events: true, whole: false }).output, 208)
})

test('no estimate is above what the request allows', () => {
  const told = { events: true, whole: false, body: { max_completion_tokens: 50, n: 2 } }
  assert.equal(read('openai.chat', sse(chunk({ content: 'x'.repeat(9000) })), told).output, 100)
})

test('a refusal without a count cost nothing; one with a count cost that', () => {
  assert.deepEqual(read('openai.chat', '{"error":{"message":"no"}}', { status: 429 }), told({}))
  assert.deepEqual(read('openai.chat', '', { status: 500, whole: false }), told({}))
  const counted = '{"error":{},"usage":{"prompt_tokens":5,"completion_tokens":0}}'
  assert.deepEqual(read('openai.chat', counted, { status: 400 }), told({ input: 5 }))
})

test('under a content encoding a byte counts as a token, up to what the request allows', () => {
  const usage = read('openai.chat', 'x'.repeat(300), { encoded: true })
  assert.deepEqual([usage.source, usage.input, usage.output], ['estimate', 40, 300])
  assert.equal(read('openai.chat', 'x'.repeat(300), { encoded: true, body: { max_tokens: 9 } }).output, 9)
})

test('an answer that is not of the format counts by its bytes', () => {
  assert.equal(read('openai.chat', 'plain text of 26 bytes ...').output, 19)
})

test('the estimate of a call without a reply is its input, and if it does not stream all that it may write', () => {
  const without = (body: Record<string, unknown>, maxOutputTokens: number | null, streams = false) => {
    const asked = {
      format: 'openai',
      operation: 'openai.chat',
      body: () => body,
      inputBytes: 1000,
      maxOutputTokens,
    } as const
    return usageWithoutReply(asked, streams)
  }
  const estimate = (output: number) => ({ ...told({ input: 400, output }), source: 'estimate' })
  assert.deepEqual(without({ max_tokens: 70, n: 2 }, 500), estimate(140))
  assert.deepEqual(without({}, 500), estimate(500))
  assert.deepEqual(without({}, null), estimate(1024), 'nobody knows: what is usual')
  assert.deepEqual(without({ max_tokens: 70 }, 500, true), estimate(0))
})

test('an answer that does not stream and was cut costs all that it may have, or as its length says', () => {
  const begun = `{"choices":[{"message":{"content":"${'word '.repeat(20)}`
  const cut = (told: Told) => {
    const { source, output } = read('openai.chat', begun, { ...told, whole: false })
    assert.equal(source, 'estimate')
    return output
  }
  assert.equal(cut({ body: { max_tokens: 700 } }), 700)
  assert.equal(cut({ body: { max_tokens: 700 }, contentLength: 150, encoded: true }), 700)
  assert.equal(cut({ maxOutputTokens: 900 }), 900)
  assert.equal(cut({ contentLength: 10_000 }), 4008)
  assert.equal(cut({ contentLength: 10 }), Math.ceil(begun.length / 2.5) + 8, 'more came than was said')
  assert.equal(cut({ contentLength: 10_000, encoded: true }), 10_000)
  assert.equal(cut({}), 1024, 'its length is not known: what is usual')
  const whole = `${begun}"}}],"usage":{"prompt_tokens":3,"completion_tokens":20}`
  assert.deepEqual(read('openai.chat', whole, { whole: false }), told({ input: 3, output: 20 }), 'its count was here')
  assert.equal(read('openai.embeddings', '{"data":[', { whole: false }).output, 0)
  assert.deepEqual(read('openai.chat', '{"error":', { whole: false, status: 500 }), told({}))
})

test('memory stays flat whatever comes: an endless string, list, report, name or line', () => {
  const reader = open('openai.chat', { events: true })
  const begin = ['data: {"choices":"', 'data: {"choices":[', 'data: {"usage":{"a":"', `data: {"`, 'data: ', 'x']
  const block = Buffer.alloc(1024 * 1024, 'a')
  for (const text of begin) {
    reader.push(Buffer.from(`\n\n${text}`))
    const before = process.memoryUsage()
    for (let i = 0; i < 48; i++) reader.push(block)
    const after = process.memoryUsage()
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
    assert.ok(grown < 8 * 1024 * 1024, `${text}: ${grown} bytes`)
  }
  // And what follows is read as ever.
  reader.push(Buffer.from(`\n\n${sse(usageChunk)}${DONE}`))
  assert.deepEqual(reader.end(false), told({ input: 12, output: 3 }))
})

test('a report up to the bound is read, a longer one is not', () => {
  const report = (bytes: number) => `{"usage":{"prompt_tokens":1,"completion_tokens":2,"x":"${'a'.repeat(bytes)}"}}`
  const inPieces = (text: string) => {
    const reader = open('openai.chat')
    for (let at = 0; at < text.length; at += 1000) reader.push(Buffer.from(text.slice(at, at + 1000)))
    return reader.end(true).source
  }
  for (const give of [inPieces, (text: string) => read('openai.chat', text).source]) {
    assert.equal(give(report(64 * 1024 - 60)), 'provider')
    assert.equal(give(report(64 * 1024)), 'estimate')
  }
})
