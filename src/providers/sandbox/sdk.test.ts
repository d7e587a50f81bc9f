import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { ApiError, FunctionCallingConfigMode, GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import type { Send } from '#core/exchange.ts'
import { sandbox } from './exchange-under-test.ts'

/** The sandbox as a provider on the network. */
function serve(send: Send): Server {
  return createServer(async (req, res) => {
    const body = Buffer.concat(await req.toArray())
    const headers = req.headers as Record<string, string>
    const exchange = send(
      { method: req.method as 'POST', path: req.url ?? '', headers, body },
      {
        onHead: (status, head) => void res.writeHead(status, head),
        onData: chunk => res.write(chunk),
        onEnd: () => void res.end(),
        onError: error => void res.destroy(error),
      },
    )
    res.on('drain', () => exchange.resume())
    res.on('close', () => exchange.abort())
  })
}

let server: Server
let openai: OpenAI
let anthropic: Anthropic
let google: GoogleGenAI

before(async () => {
  server = serve(sandbox).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  openai = new OpenAI({ baseURL: `${origin}/v1`, apiKey: 'test', maxRetries: 0 })
  anthropic = new Anthropic({ baseURL: origin, apiKey: 'test', maxRetries: 0 })
  google = new GoogleGenAI({ apiKey: 'test', httpOptions: { baseUrl: origin } })
})

after(() => {
  server.closeAllConnections()
  server.close()
})

const SAID = 'This is the Ostiary sandbox. You said: "Hello".'
const parameters = {
  type: 'object' as const,
  properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 2 } },
  required: ['city', 'days'],
  additionalProperties: false,
}
const failing = (failure: string) => ({ headers: { 'x-ostiary-sandbox': `fail=${failure}` } })

describe('openai: chat completions', () => {
  const ask = { model: 'm', messages: [{ role: 'user' as const, content: 'Hello' }] }
  const tools = [{ type: 'function' as const, function: { name: 'weather', parameters, strict: true } }]

  test('plain and streamed say the same at the same usage', async () => {
    const plain = await openai.chat.completions.create(ask)
    assert.equal(plain.choices[0]?.message.content, SAID)
    const stream = openai.chat.completions.stream({ ...ask, stream_options: { include_usage: true } })
    const streamed = await stream.finalChatCompletion()
    assert.equal(streamed.choices[0]?.message.content, SAID)
    assert.equal(streamed.choices[0]?.finish_reason, 'stop')
    assert.deepEqual(streamed.usage, plain.usage)
  })

  test('a tool call makes the round trip', async () => {
    const streamed = await openai.chat.completions.stream({ ...ask, tools }).finalChatCompletion()
    const plain = await openai.chat.completions.create({ ...ask, tools })
    const [call] = plain.choices[0]?.message.tool_calls ?? []
    assert.ok(call?.type === 'function')
    assert.deepEqual(JSON.parse(call.function.arguments), { city: 'sandbox', days: 2 })
    const [again] = streamed.choices[0]?.message.tool_calls ?? []
    assert.ok(again?.type === 'function')
    assert.equal(again.function.arguments, call.function.arguments)
    const messages = [
      ...ask.messages,
      plain.choices[0]?.message,
      { role: 'tool', tool_call_id: call.id, content: 'Sunny' },
    ]
    const final = await openai.chat.completions.create({ ...ask, messages: messages as typeof ask.messages, tools })
    assert.match(final.choices[0]?.message.content ?? '', /The tool answered: "Sunny"/)
  })

  test('runs tools to the end', async () => {
    const run = {
      name: 'weather',
      parameters,
      parse: JSON.parse,
      description: '',
      function: ({ city }: { city: string }) => `Sunny in ${city}`,
    }
    const runner = openai.chat.completions.runTools({ ...ask, tools: [{ type: 'function', function: run }] })
    assert.match((await runner.finalContent()) ?? '', /The tool answered: "Sunny in sandbox"/)
  })

  test('parses structured output', async () => {
    const response_format = {
      type: 'json_schema' as const,
      json_schema: { name: 'w', strict: true, schema: parameters },
    }
    const parsed = await openai.chat.completions.parse({ ...ask, response_format })
    assert.deepEqual(parsed.choices[0]?.message.parsed, { city: 'sandbox', days: 2 })
    const streamed = await openai.chat.completions.stream({ ...ask, response_format }).finalChatCompletion()
    assert.deepEqual(streamed.choices[0]?.message.parsed, { city: 'sandbox', days: 2 })
  })

  test('reports errors as its own', async () => {
    await assert.rejects(openai.chat.completions.create({ ...ask, n: 17 }), OpenAI.BadRequestError)
    await assert.rejects(openai.chat.completions.create(ask, failing('error')), { status: 500, type: 'server_error' })
    await assert.rejects(openai.chat.completions.create(ask, failing('overloaded')), { status: 503 })
    await assert.rejects(openai.chat.completions.create(ask, failing('reset')))
    await assert.rejects(openai.models.list(), OpenAI.NotFoundError)
    const stream = await openai.chat.completions.create({ ...ask, stream: true }, failing('reset'))
    await assert.rejects(Array.fromAsync(stream))
  })
})

describe('openai: responses', () => {
  const ask = { model: 'm', input: 'Hello' }
  const tools = [{ type: 'function' as const, name: 'weather', parameters, strict: true }]

  test('plain and streamed say the same at the same usage', async () => {
    const plain = await openai.responses.create(ask)
    assert.equal(plain.output_text, SAID)
    const streamed = await openai.responses.stream(ask).finalResponse()
    assert.equal(streamed.output_text, SAID)
    assert.deepEqual(streamed.usage, plain.usage)
    assert.equal(streamed.status, 'completed')
    const events = await Array.fromAsync(await openai.responses.create({ ...ask, stream: true }))
    assert.deepEqual(
      events.map(event => event.sequence_number),
      [...events.keys()],
    )
  })

  test('a tool call makes the round trip', async () => {
    const streamed = await openai.responses.stream({ ...ask, tools }).finalResponse()
    const [call] = streamed.output
    assert.ok(call?.type === 'function_call')
    assert.deepEqual(call.parsed_arguments, { city: 'sandbox', days: 2 })
    const plain = await openai.responses.parse({ ...ask, tools })
    assert.deepEqual(plain.usage, streamed.usage)
    const final = await openai.responses.create({
      model: 'm',
      tools,
      input: [
        { role: 'user', content: 'Hello' },
        { type: 'function_call', call_id: call.call_id, name: call.name, arguments: call.arguments },
        { type: 'function_call_output', call_id: call.call_id, output: 'Sunny' },
      ],
    })
    assert.match(final.output_text, /The tool answered: "Sunny"/)
  })

  test('parses structured output and reports a cut one as incomplete', async () => {
    const text = { format: { type: 'json_schema' as const, name: 'w', schema: parameters, strict: true } }
    const parsed = await openai.responses.parse({ ...ask, text })
    assert.deepEqual(parsed.output_parsed, { city: 'sandbox', days: 2 })
    const streamed = await openai.responses.stream({ ...ask, text }).finalResponse()
    assert.deepEqual(streamed.output_parsed, { city: 'sandbox', days: 2 })
    for (const cut of [
      await openai.responses.create({ ...ask, max_output_tokens: 3 }),
      await openai.responses.stream({ ...ask, max_output_tokens: 3 }).finalResponse(),
    ]) {
      assert.equal(cut.status, 'incomplete')
      assert.equal(cut.incomplete_details?.reason, 'max_output_tokens')
      assert.equal(cut.output_text, 'This is the')
      assert.equal(cut.usage?.output_tokens, 3)
    }
  })

  test('reports errors as its own', async () => {
    await assert.rejects(openai.responses.create({ model: 'm' }), OpenAI.BadRequestError)
    await assert.rejects(openai.responses.create(ask, failing('overloaded')), OpenAI.InternalServerError)
  })
})

test('openai: embeddings in base64, which the SDK asks for, equal those in floats', async () => {
  const ask = { model: 'm', input: ['Hello', 'you'], dimensions: 64 }
  const base64 = await openai.embeddings.create(ask)
  const float = await openai.embeddings.create({ ...ask, encoding_format: 'float' })
  assert.deepEqual(
    base64.data.map(item => [...item.embedding]),
    float.data.map(item => item.embedding),
  )
  assert.equal(float.data[1]?.embedding.length, 64)
  assert.equal(base64.usage.prompt_tokens, 2)
})

describe('anthropic: messages', () => {
  const ask = { model: 'm', max_tokens: 100, messages: [{ role: 'user' as const, content: 'Hello' }] }
  const tools = [{ name: 'weather', input_schema: parameters }]

  test('plain and streamed say the same at the same usage', async () => {
    const plain = await anthropic.messages.create(ask)
    assert.ok(plain.content[0]?.type === 'text')
    assert.equal(plain.content[0].text, SAID)
    const stream = anthropic.messages.stream(ask)
    assert.equal(await stream.finalText(), SAID)
    const streamed = await stream.finalMessage()
    assert.deepEqual(
      { ...streamed, id: '', _request_id: '' },
      { ...plain, parsed_output: null, id: '', _request_id: '' },
    )
    assert.match(stream.request_id ?? '', /^req_/)
  })

  test('a tool call makes the round trip', async () => {
    const streamed = await anthropic.messages.stream({ ...ask, tools }).finalMessage()
    const plain = await anthropic.messages.create({ ...ask, tools })
    assert.equal(plain.stop_reason, 'tool_use')
    const [call] = plain.content
    assert.ok(call?.type === 'tool_use')
    assert.deepEqual(call.input, { city: 'sandbox', days: 2 })
    assert.deepEqual(streamed.content, [{ ...call, id: (streamed.content[0] as typeof call).id }])
    assert.deepEqual(streamed.usage, plain.usage)
    const result = { type: 'tool_result' as const, tool_use_id: call.id, content: 'Sunny' }
    const messages = [
      ...ask.messages,
      { role: 'assistant' as const, content: plain.content },
      { role: 'user' as const, content: [result] },
    ]
    const final = await anthropic.messages.create({ ...ask, messages, tools })
    assert.match(JSON.stringify(final.content), /The tool answered: .+Sunny/)
  })

  test('parses structured output', async () => {
    const output_config = { format: { type: 'json_schema' as const, schema: parameters } }
    const { content } = await anthropic.messages.create({ ...ask, output_config })
    assert.ok(content[0]?.type === 'text')
    assert.deepEqual(JSON.parse(content[0].text), { city: 'sandbox', days: 2 })
  })

  test('reports errors as its own', async () => {
    const { max_tokens: _, ...without } = ask
    await assert.rejects(anthropic.messages.create(without as typeof ask), Anthropic.BadRequestError)
    await assert.rejects(anthropic.messages.create(ask, failing('overloaded')), {
      status: 529,
      type: 'overloaded_error',
    })
    await assert.rejects(anthropic.messages.create(ask, failing('error')), Anthropic.InternalServerError)
    await assert.rejects(anthropic.messages.stream(ask, failing('reset')).finalMessage())
  })
})

describe('google: generateContent', () => {
  const ask = { model: 'gemini-x', contents: 'Hello' }
  const tools = [{ functionDeclarations: [{ name: 'other' }, { name: 'weather', parametersJsonSchema: parameters }] }]

  test('plain and streamed say the same at the same usage', async () => {
    const plain = await google.models.generateContent(ask)
    assert.equal(plain.text, SAID)
    assert.equal(plain.modelVersion, 'gemini-x')
    const streamed = await Array.fromAsync(await google.models.generateContentStream(ask))
    assert.equal(streamed.map(response => response.text ?? '').join(''), SAID)
    assert.deepEqual(streamed.at(-1)?.usageMetadata, plain.usageMetadata)
    assert.equal(streamed.at(-1)?.candidates?.[0]?.finishReason, 'STOP')
  })

  test('a function call makes the round trip', async () => {
    const calling = { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['weather'] }
    const config = { tools, toolConfig: { functionCallingConfig: calling } }
    const plain = await google.models.generateContent({ ...ask, config })
    assert.deepEqual(plain.functionCalls, [{ name: 'weather', args: { city: 'sandbox', days: 2 } }])
    const [streamed] = await Array.fromAsync(await google.models.generateContentStream({ ...ask, config }))
    assert.deepEqual(streamed?.functionCalls, plain.functionCalls)
    const response = { functionResponse: { name: 'weather', response: { sky: 'Sunny' } } }
    const contents = [
      { role: 'user', parts: [{ text: 'Hello' }] },
      plain.candidates?.[0]?.content ?? {},
      { role: 'user', parts: [response] },
    ]
    const final = await google.models.generateContent({ model: 'gemini-x', contents, config })
    assert.match(final.text ?? '', /The tool answered: "{"sky":"Sunny"}"/)
  })

  test('parses structured output in both schema languages', async () => {
    const responseMimeType = 'application/json'
    const first = await google.models.generateContent({
      ...ask,
      config: { responseMimeType, responseJsonSchema: parameters },
    })
    assert.deepEqual(JSON.parse(first.text ?? ''), { city: 'sandbox', days: 2 })
    const responseSchema = { type: 'ARRAY', minItems: '1', items: { type: 'INTEGER' } }
    const second = await google.models.generateContent({
      ...ask,
      config: { responseMimeType, responseSchema } as object,
    })
    assert.deepEqual(JSON.parse(second.text ?? ''), [0])
  })

  test('cuts at the token limit', async () => {
    const cut = await google.models.generateContent({ ...ask, config: { maxOutputTokens: 3 } })
    assert.equal(cut.text, 'This is the')
    assert.equal(cut.candidates?.[0]?.finishReason, 'MAX_TOKENS')
  })

  test('reports errors as its own', async () => {
    const config = (failure: string) => ({ httpOptions: failing(failure) })
    await assert.rejects(google.models.generateContent({ model: 'm', contents: [] }))
    await assert.rejects(google.models.generateContent({ ...ask, config: config('overloaded') }), ApiError)
    await assert.rejects(google.models.generateContentStream({ ...ask, config: config('error') }), { status: 500 })
  })
})
