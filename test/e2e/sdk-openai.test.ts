import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import OpenAI from 'openai'
import { type Gateway, startGateway, until } from '../support/gateway.ts'
import { configFor, OPERATOR_KEY, type Provider, sendJson, startProvider, writeEvent } from '../support/provider.ts'

let provider: Provider
let gateway: Gateway
/** With the printed test key. */
let sandbox: OpenAI
/** With a live key. */
let live: OpenAI

before(async () => {
  provider = await startProvider()
  gateway = await startGateway(configFor(provider))
  const baseURL = `${gateway.url}/v1`
  sandbox = new OpenAI({ baseURL, apiKey: gateway.testKey, maxRetries: 0 })
  live = new OpenAI({ baseURL, apiKey: await gateway.liveKey(), maxRetries: 0 })
})

after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await provider?.[Symbol.asyncDispose]()
})

beforeEach(() => void provider.requests.splice(0))

const user = [{ role: 'user' as const, content: 'Hello' }]
const SAID = 'This is the Ostiary sandbox. You said: "Hello".'
const parameters = {
  type: 'object' as const,
  properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 2 } },
  required: ['city', 'days'],
  additionalProperties: false,
}
const weather = [{ type: 'function' as const, function: { name: 'weather', parameters, strict: true } }]
const structured = { type: 'json_schema' as const, json_schema: { name: 'w', strict: true, schema: parameters } }

describe('OpenAI SDK and the sandbox', () => {
  const ask = { model: 'sandbox', messages: user }

  test('chat answers the same plain and streamed', async () => {
    const plain = await sandbox.chat.completions.create(ask)
    assert.equal(plain.choices[0]?.message.content, SAID)
    assert.match(plain._request_id ?? '', /^req_[0-9a-z]{26}$/)
    const streamed = await sandbox.chat.completions
      .stream({ ...ask, stream_options: { include_usage: true } })
      .finalChatCompletion()
    assert.equal(streamed.choices[0]?.message.content, SAID)
    assert.deepEqual(streamed.usage, plain.usage)
  })

  test('a tool call makes the round trip', async () => {
    const { choices } = await sandbox.chat.completions.create({ ...ask, tools: weather })
    const message = choices[0]?.message
    const call = message?.tool_calls?.[0]
    assert.ok(message !== undefined && call?.type === 'function')
    assert.deepEqual(JSON.parse(call.function.arguments), { city: 'sandbox', days: 2 })
    const messages = [...user, message, { role: 'tool' as const, tool_call_id: call.id, content: 'Sunny' }]
    const final = await sandbox.chat.completions.create({ ...ask, messages, tools: weather })
    assert.match(final.choices[0]?.message.content ?? '', /The tool answered: "Sunny"/)
  })

  test('structured output is parsed', async () => {
    const parsed = await sandbox.chat.completions.parse({ ...ask, response_format: structured })
    assert.deepEqual(parsed.choices[0]?.message.parsed, { city: 'sandbox', days: 2 })
  })

  test('responses answer plain, streamed, with tools and structured', async () => {
    const question = { model: 'sandbox', input: 'Hello' }
    const plain = await sandbox.responses.create(question)
    assert.equal(plain.output_text, SAID)
    const streamed = await sandbox.responses.stream(question).finalResponse()
    assert.equal(streamed.output_text, SAID)
    const tools = [{ type: 'function' as const, name: 'weather', parameters, strict: true }]
    const called = await sandbox.responses.create({ ...question, tools })
    const call = called.output[0]
    assert.ok(call?.type === 'function_call')
    const input = [
      ...user,
      { type: 'function_call' as const, call_id: call.call_id, name: call.name, arguments: call.arguments },
      { type: 'function_call_output' as const, call_id: call.call_id, output: 'Sunny' },
    ]
    const final = await sandbox.responses.create({ ...question, tools, input })
    assert.match(final.output_text, /The tool answered: "Sunny"/)
    const text = { format: { type: 'json_schema' as const, name: 'w', schema: parameters, strict: true } }
    const parsed = await sandbox.responses.parse({ ...question, text })
    assert.deepEqual(parsed.output_parsed, { city: 'sandbox', days: 2 })
  })

  test('embeddings come as numbers', async () => {
    const { data } = await sandbox.embeddings.create({ model: 'sandbox', input: ['Hello', 'you'], dimensions: 64 })
    assert.deepEqual(
      data.map(({ embedding }) => embedding.length),
      [64, 64],
    )
  })

  test('a test key lists and retrieves the models it may use', async () => {
    const ids = (await Array.fromAsync(sandbox.models.list())).map(({ id }) => id)
    assert.deepEqual(ids, ['sandbox'])
    assert.equal((await sandbox.models.retrieve('sandbox')).owned_by, 'sandbox')
    await assert.rejects(sandbox.models.retrieve('gpt'), OpenAI.NotFoundError)
  })
})

describe('OpenAI SDK and a provider', () => {
  const ask = { model: 'gpt', messages: user }
  const completion = (message: object, finish_reason = 'stop') => ({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-real-2026',
    choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason }],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  })
  const chunk = (delta: object, finish_reason: string | null = null) => ({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'gpt-real-2026',
    choices: [{ index: 0, delta, finish_reason }],
  })

  test('chat is asked with the operator’s key and the provider’s name of the model', async () => {
    provider.answer = (_request, res) => sendJson(res, 200, completion({ content: 'Good day' }))
    const answer = await live.chat.completions.create(ask)
    assert.equal(answer.choices[0]?.message.content, 'Good day')
    assert.equal(answer.model, 'gpt-real-2026')
    const { path, headers, body } = provider.one()
    assert.equal(path, '/v1/chat/completions')
    assert.equal(headers.authorization, `Bearer ${OPERATOR_KEY}`)
    assert.deepEqual(JSON.parse(body.toString()), { ...ask, model: 'gpt-real' })
    const event = await gateway.event(answer._request_id ?? '')
    assert.equal(event.outcome, 'completed')
    assert.deepEqual(event.target, { provider: 'openai', model: 'gpt-real', test: false })
  })

  test('chat streams', async () => {
    provider.answer = (_request, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      for (const content of ['Good', ' day']) writeEvent(res, chunk({ content }))
      writeEvent(res, chunk({}, 'stop'))
      writeEvent(res, '[DONE]')
      res.end()
    }
    const chunks = await Array.fromAsync(await live.chat.completions.create({ ...ask, stream: true }))
    assert.deepEqual(
      chunks.map(({ choices }) => choices[0]?.delta.content),
      ['Good', ' day', undefined],
    )
  })

  test('a streamed tool call makes the round trip', async () => {
    provider.answer = ({ body }, res) => {
      const { messages } = JSON.parse(body.toString())
      if (messages.length > 1) return sendJson(res, 200, completion({ content: `It is ${messages[2].content}` }))
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      const call = (part: object) => chunk({ role: 'assistant', tool_calls: [{ index: 0, ...part }] })
      writeEvent(res, call({ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } }))
      for (const part of ['{"city":', '"Rome"}']) writeEvent(res, call({ function: { arguments: part } }))
      writeEvent(res, chunk({}, 'tool_calls'))
      writeEvent(res, '[DONE]')
      res.end()
    }
    const { choices } = await live.chat.completions.stream({ ...ask, tools: weather }).finalChatCompletion()
    const message = choices[0]?.message
    const call = message?.tool_calls?.[0]
    assert.ok(message !== undefined && call?.type === 'function')
    assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Rome' })
    const messages = [...user, message, { role: 'tool' as const, tool_call_id: call.id, content: 'sunny' }]
    const final = await live.chat.completions.create({ ...ask, messages, tools: weather })
    assert.equal(final.choices[0]?.message.content, 'It is sunny')
  })

  test('structured output is parsed', async () => {
    provider.answer = (_request, res) => sendJson(res, 200, completion({ content: '{"city":"Rome","days":3}' }))
    const parsed = await live.chat.completions.parse({ ...ask, response_format: structured })
    assert.deepEqual(parsed.choices[0]?.message.parsed, { city: 'Rome', days: 3 })
    assert.deepEqual(JSON.parse(provider.one().body.toString()).response_format, structured)
  })

  test('embeddings pass in base64, which the SDK asks for', async () => {
    const embedding = Buffer.from(new Float32Array([0.5, -1]).buffer).toString('base64')
    provider.answer = (_request, res) =>
      sendJson(res, 200, { object: 'list', data: [{ object: 'embedding', index: 0, embedding }], model: 'm' })
    const { data } = await live.embeddings.create({ model: 'gpt', input: 'Hello' })
    assert.deepEqual([...(data[0]?.embedding ?? [])], [0.5, -1])
    assert.equal(provider.one().path, '/v1/embeddings')
  })

  test('responses stream', async () => {
    const message = {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: 'Good day', annotations: [] }],
    }
    const response = { id: 'resp_1', object: 'response', model: 'gpt-real', status: 'completed', output: [message] }
    provider.answer = (_request, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      const send = (type: string, members: object, sequence_number: number) =>
        writeEvent(res, { type, sequence_number, ...members }, type)
      send('response.created', { response: { ...response, status: 'in_progress', output: [] } }, 0)
      send('response.output_item.added', { output_index: 0, item: { ...message, content: [] } }, 1)
      send('response.completed', { response }, 2)
      res.end()
    }
    const final = await live.responses.stream({ model: 'gpt', input: 'Hello' }).finalResponse()
    assert.equal(final.output_text, 'Good day')
    const { path, body } = provider.one()
    assert.equal(path, '/v1/responses')
    assert.equal(JSON.parse(body.toString()).model, 'gpt-real')
  })

  test('a live key lists and retrieves the models it may use', async () => {
    const ids = (await Array.fromAsync(live.models.list())).map(({ id }) => id)
    assert.deepEqual(ids, ['gpt'])
    assert.equal((await live.models.retrieve('gpt')).owned_by, 'openai')
    assert.deepEqual(provider.requests, [])
  })

  test('a wrong key is an AuthenticationError', async () => {
    const wrong = live.withOptions({ apiKey: 'sk_live_wrong' })
    await assert.rejects(wrong.chat.completions.create(ask), error => {
      assert.ok(error instanceof OpenAI.AuthenticationError)
      assert.equal(error.status, 401)
      assert.equal(error.code, 'invalid_api_key')
      assert.equal(error.type, 'authentication_error')
      assert.match(error.requestID ?? '', /^req_/)
      return true
    })
    assert.deepEqual(provider.requests, [])
  })

  test('an unknown model is a NotFoundError', async () => {
    await assert.rejects(live.chat.completions.create({ ...ask, model: 'nowhere' }), error => {
      assert.ok(error instanceof OpenAI.NotFoundError)
      assert.equal(error.code, 'model_not_found')
      return true
    })
  })

  test('the provider’s 429 is a RateLimitError with the provider’s words', async () => {
    const refusal = {
      error: {
        message: 'Rate limit reached for gpt-real.',
        type: 'requests',
        param: null,
        code: 'rate_limit_exceeded',
      },
    }
    provider.answer = (_request, res) => sendJson(res, 429, refusal, { 'retry-after': '7' })
    await assert.rejects(live.chat.completions.create(ask), error => {
      assert.ok(error instanceof OpenAI.RateLimitError)
      assert.deepEqual(error.error, refusal.error)
      assert.match(error.message, /Rate limit reached for gpt-real\./)
      assert.equal(error.headers.get('retry-after'), '7')
      assert.equal(error.headers.get('x-ostiary-upstream-status'), '429')
      return true
    })
  })

  test('the SDK’s own retry reaches the provider again', async () => {
    provider.answer = (_request, res) => {
      if (provider.requests.length === 1) sendJson(res, 503, { error: { message: 'busy' } }, { 'retry-after-ms': '1' })
      else sendJson(res, 200, completion({ content: 'Good day' }))
    }
    const answer = await live.withOptions({ maxRetries: 1 }).chat.completions.create(ask)
    assert.equal(answer.choices[0]?.message.content, 'Good day')
    assert.equal(provider.requests.length, 2)
  })

  test('a stream abandoned after its first chunk is stopped at the provider', async () => {
    provider.answer = (_request, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      writeEvent(res, chunk({ content: 'Good' }))
    }
    const { data: stream, request_id } = await live.chat.completions.create({ ...ask, stream: true }).withResponse()
    for await (const { choices } of stream) {
      assert.equal(choices[0]?.delta.content, 'Good')
      break
    }
    const { closed, socket } = provider.one()
    await closed
    await until('the provider’s connection to end', () => socket.destroyed, 2000)
    const event = await gateway.event(request_id ?? '')
    assert.equal(event.outcome, 'caller_hung_up')
    assert.equal(event.stream, true)
    assert.equal(event.status, 200)
  })
})
