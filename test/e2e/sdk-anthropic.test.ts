import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { type Gateway, startGateway, until } from '../support/gateway.ts'
import { configFor, OPERATOR_KEY, type Provider, sendJson, startProvider, writeEvent } from '../support/provider.ts'

let provider: Provider
let gateway: Gateway
/** With the printed test key. */
let sandbox: Anthropic
/** With a live key. */
let live: Anthropic

before(async () => {
  provider = await startProvider()
  gateway = await startGateway(configFor(provider))
  sandbox = new Anthropic({ baseURL: gateway.url, apiKey: gateway.testKey, maxRetries: 0 })
  live = new Anthropic({ baseURL: gateway.url, apiKey: await gateway.liveKey(), maxRetries: 0 })
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
const tools = [{ name: 'weather', input_schema: parameters }]

describe('Anthropic SDK and the sandbox', () => {
  const ask = { model: 'sandbox', max_tokens: 100, messages: user }

  for (const prefix of ['', '/anthropic']) {
    test(`messages answer the same plain and streamed at ${prefix}/v1/messages`, async () => {
      const client = sandbox.withOptions({ baseURL: gateway.url + prefix })
      const plain = await client.messages.create(ask)
      assert.deepEqual(
        plain.content.map(block => (block.type === 'text' ? block.text : block.type)),
        [SAID],
      )
      assert.match(plain._request_id ?? '', /^req_[0-9a-z]{26}$/)
      const stream = client.messages.stream(ask)
      assert.equal(await stream.finalText(), SAID)
      assert.deepEqual((await stream.finalMessage()).usage, plain.usage)
    })
  }

  test('a tool call makes the round trip', async () => {
    const { content } = await sandbox.messages.create({ ...ask, tools })
    const [call] = content
    assert.ok(call?.type === 'tool_use')
    assert.deepEqual(call.input, { city: 'sandbox', days: 2 })
    const result = { type: 'tool_result' as const, tool_use_id: call.id, content: 'Sunny' }
    const messages = [...user, { role: 'assistant' as const, content }, { role: 'user' as const, content: [result] }]
    const final = await sandbox.messages.create({ ...ask, messages, tools })
    assert.match(JSON.stringify(final.content), /The tool answered: .+Sunny/)
  })

  test('structured output is parsed', async () => {
    const output_config = { format: { type: 'json_schema' as const, schema: parameters } }
    const { content } = await sandbox.messages.create({ ...ask, output_config })
    assert.ok(content[0]?.type === 'text')
    assert.deepEqual(JSON.parse(content[0].text), { city: 'sandbox', days: 2 })
  })

  test('a test key lists and retrieves the models it may use', async () => {
    const ids = (await Array.fromAsync(sandbox.models.list())).map(({ id }) => id)
    assert.deepEqual(ids, ['sandbox'])
    assert.equal((await sandbox.models.retrieve('sandbox')).type, 'model')
    await assert.rejects(sandbox.models.retrieve('claude'), Anthropic.NotFoundError)
  })
})

describe('Anthropic SDK and a provider', () => {
  const ask = { model: 'claude', max_tokens: 100, messages: user }
  const usage = { input_tokens: 3, output_tokens: 2 }
  const message = (content: object[], stop_reason: string | null = 'end_turn') => ({
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-real-2026',
    content,
    stop_reason,
    stop_sequence: null,
    usage,
  })

  /** Streams one block, whose deltas are these. */
  const streamBlock = (block: object, deltas: readonly object[], stop_reason: string): Provider['answer'] => {
    return (_request, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      const send = (type: string, members: object = {}) => writeEvent(res, { type, ...members }, type)
      send('message_start', { message: message([], null) })
      send('content_block_start', { index: 0, content_block: block })
      send('ping')
      for (const delta of deltas) send('content_block_delta', { index: 0, delta })
      send('content_block_stop', { index: 0 })
      send('message_delta', { delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 2 } })
      send('message_stop')
      res.end()
    }
  }

  test('messages are asked with the operator’s key, the provider’s name of the model and the caller’s versions', async () => {
    provider.answer = (_request, res) => sendJson(res, 200, message([{ type: 'text', text: 'Good day' }]))
    const betas = ['context-1m-2025-08-07', 'files-api-2025-04-14']
    const answer = await live.beta.messages.create({ ...ask, betas })
    assert.deepEqual(answer.content, [{ type: 'text', text: 'Good day' }])
    const { path, headers, body } = provider.one()
    assert.equal(path.split('?')[0], '/v1/messages')
    assert.equal(headers['x-api-key'], OPERATOR_KEY)
    assert.equal(headers.authorization, undefined)
    assert.equal(headers['anthropic-beta'], betas.join(','))
    assert.match(String(headers['anthropic-version']), /^\d{4}-\d\d-\d\d$/)
    assert.deepEqual(JSON.parse(body.toString()), { ...ask, model: 'claude-real' })
    const event = await gateway.event(answer._request_id ?? '')
    assert.equal(event.outcome, 'completed')
    assert.deepEqual(event.target, { provider: 'anthropic', model: 'claude-real', test: false })
  })

  test('messages stream', async () => {
    const deltas = ['Good', ' day'].map(text => ({ type: 'text_delta', text }))
    provider.answer = streamBlock({ type: 'text', text: '' }, deltas, 'end_turn')
    const stream = live.messages.stream(ask)
    assert.equal(await stream.finalText(), 'Good day')
    assert.match(stream.request_id ?? '', /^req_/)
  })

  test('a streamed tool call makes the round trip', async () => {
    const deltas = ['{"city":', '"Rome"}'].map(partial_json => ({ type: 'input_json_delta', partial_json }))
    provider.answer = streamBlock({ type: 'tool_use', id: 'tool_1', name: 'weather', input: {} }, deltas, 'tool_use')
    const { content } = await live.messages.stream({ ...ask, tools }).finalMessage()
    const [call] = content
    assert.ok(call?.type === 'tool_use')
    assert.deepEqual(call.input, { city: 'Rome' })
    provider.answer = ({ body }, res) => {
      const [, , { content }] = JSON.parse(body.toString()).messages
      sendJson(res, 200, message([{ type: 'text', text: `It is ${content[0].content}` }]))
    }
    const result = { type: 'tool_result' as const, tool_use_id: call.id, content: 'sunny' }
    const messages = [...user, { role: 'assistant' as const, content }, { role: 'user' as const, content: [result] }]
    const final = await live.messages.create({ ...ask, messages, tools })
    assert.deepEqual(final.content, [{ type: 'text', text: 'It is sunny' }])
  })

  test('a live key lists and retrieves the models it may use', async () => {
    const ids = (await Array.fromAsync(live.models.list())).map(({ id }) => id)
    assert.deepEqual(ids, ['claude'])
    assert.equal((await live.models.retrieve('claude')).id, 'claude')
    assert.deepEqual(provider.requests, [])
  })

  for (const carrier of ['apiKey', 'authToken'] as const) {
    test(`a wrong ${carrier} is an AuthenticationError`, async () => {
      const wrong = new Anthropic({ baseURL: gateway.url, apiKey: null, [carrier]: 'sk_live_wrong', maxRetries: 0 })
      await assert.rejects(wrong.messages.create(ask), error => {
        assert.ok(error instanceof Anthropic.AuthenticationError)
        assert.equal(error.status, 401)
        assert.equal(error.type, 'authentication_error')
        assert.match(error.requestID ?? '', /^req_/)
        return true
      })
      assert.deepEqual(provider.requests, [])
    })
  }

  test('an unknown model is a NotFoundError', async () => {
    await assert.rejects(live.messages.create({ ...ask, model: 'nowhere' }), error => {
      assert.ok(error instanceof Anthropic.NotFoundError)
      assert.equal(error.type, 'not_found_error')
      return true
    })
  })

  test('the provider’s 429 is a RateLimitError with the provider’s words', async () => {
    const refusal = {
      type: 'error',
      error: { type: 'rate_limit_error', message: 'This request would exceed your rate limit.' },
      request_id: 'req_of_the_provider',
    }
    provider.answer = (_request, res) => sendJson(res, 429, refusal, { 'retry-after': '7' })
    await assert.rejects(live.messages.create(ask), error => {
      assert.ok(error instanceof Anthropic.RateLimitError)
      assert.deepEqual(error.error, refusal)
      assert.match(error.message, /This request would exceed your rate limit\./)
      assert.equal(error.headers.get('retry-after'), '7')
      assert.equal(error.headers.get('x-ostiary-upstream-status'), '429')
      return true
    })
  })

  test('a stream abandoned after its first text is stopped at the provider', async () => {
    provider.answer = (_request, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      writeEvent(res, { type: 'message_start', message: message([], null) }, 'message_start')
    }
    const { data: stream, request_id } = await live.messages.create({ ...ask, stream: true }).withResponse()
    for await (const { type } of stream) {
      assert.equal(type, 'message_start')
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
