import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#core/problems.ts'
import { ask, NOW, post, sandbox, settings } from './exchange-under-test.ts'
import { createSandbox } from './sandbox.ts'

const messages = [{ role: 'user', content: 'Hello' }]
const contents = [{ role: 'user', parts: [{ text: 'Hello' }] }]
const chat = { model: 'm', messages }

const operations = [
  { path: '/v1/chat/completions', body: chat, format: 'openai' },
  { path: '/v1/responses', body: { model: 'm', input: 'Hello' }, format: 'openai' },
  { path: '/v1/embeddings', body: { model: 'm', input: ['Hello', 'you'] }, format: 'openai' },
  { path: '/v1/messages', body: { ...chat, max_tokens: 100 }, format: 'anthropic' },
  { path: '/v1beta/models/g:generateContent', body: { contents }, format: 'gemini' },
  { path: '/v1beta/models/g:streamGenerateContent?alt=sse', body: { contents }, format: 'gemini' },
  { path: '/v1beta/models/g:streamGenerateContent', body: { contents }, format: 'gemini-array' },
] as const

/** Type or status of the error, having checked the shape around it. */
function errorOf(format: string, reply: Awaited<ReturnType<typeof ask>>): string {
  const body = reply.json()
  switch (format) {
    case 'openai':
      assert.deepEqual(Object.keys(body.error), ['message', 'type', 'param', 'code'])
      assert.match(String(reply.headers['x-request-id']), /^req_/)
      return body.error.type
    case 'anthropic':
      assert.equal(body.type, 'error')
      assert.equal(body.request_id, reply.headers['request-id'])
      return body.error.type
    default: {
      const { error } = format === 'gemini' ? body : body[0]
      assert.equal(error.code, reply.status)
      return error.status
    }
  }
}

const expected = {
  openai: { bad: 'invalid_request_error', error: 'server_error', overloaded: 'server_error', status: 503 },
  anthropic: { bad: 'invalid_request_error', error: 'api_error', overloaded: 'overloaded_error', status: 529 },
  gemini: { bad: 'INVALID_ARGUMENT', error: 'INTERNAL', overloaded: 'UNAVAILABLE', status: 503 },
  'gemini-array': { bad: 'INVALID_ARGUMENT', error: 'INTERNAL', overloaded: 'UNAVAILABLE', status: 503 },
}

for (const { path, body, format } of operations) {
  test(`${path}: answers`, async () => {
    const reply = await ask(path, body)
    assert.equal(reply.status, 200)
    assert.equal(reply.error, null)
  })

  test(`${path}: fails as asked, in its own format`, async () => {
    const error = await ask(path, body, 'fail=error')
    assert.equal(error.status, 500)
    assert.equal(errorOf(format, error), expected[format].error)
    const overloaded = await ask(path, body, 'fail=overloaded')
    assert.equal(overloaded.status, expected[format].status)
    assert.equal(overloaded.headers['retry-after'], '1')
    assert.equal(errorOf(format, overloaded), expected[format].overloaded)
  })

  test(`${path}: breaks off in the middle`, async () => {
    const whole = await ask(path, body)
    const { status, text, error } = await ask(path, body, 'fail=reset')
    assert.equal(status, 200)
    assert.ok(text.length > 0 && text.length < whole.text.length)
    assert.ok(error instanceof Problem)
    assert.equal(error.code, 'upstream.broken')
    assert.equal(error.reason, 'ECONNRESET')
    assert.equal((error.cause as NodeJS.ErrnoException).code, 'ECONNRESET')
  })

  test(`${path}: answers garbage under the promised content type`, async () => {
    const whole = await ask(path, body)
    const { status, text, headers } = await ask(path, body, 'fail=garbage')
    assert.equal(status, 200)
    assert.equal(headers['content-type'], whole.headers['content-type'])
    assert.equal(headers['content-length'], undefined)
    assert.throws(() => JSON.parse(text))
    assert.doesNotMatch(text, /^data:/m)
  })

  test(`${path}: hangs until aborted`, t => {
    t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] })
    const never = () => assert.fail('called')
    const sink = { onHead: never, onData: never, onEnd: never, onError: never }
    const exchange = sandbox(post(path, body, 'fail=hang'), sink)
    t.mock.timers.tick(3_600_000)
    exchange.resume()
    exchange.abort()
  })

  for (const wrong of [{}, [], null, 'text', 5, { ...body, model: 5, contents: 5 }]) {
    test(`${path}: refuses ${JSON.stringify(wrong)}`, async () => {
      const reply = await ask(path, wrong)
      assert.equal(reply.status, 400)
      assert.equal(errorOf(format, reply), expected[format].bad)
    })
  }

  test(`${path}: refuses a wrong x-ostiary-sandbox`, async () => {
    const reply = await ask(path, body, 'latency=soon')
    assert.equal(reply.status, 400)
    assert.equal(errorOf(format, reply), expected[format].bad)
    assert.match(reply.text, /'latency' must be a whole number from 0 to 60000/)
  })
}

const unknown = [
  ['/v1/models', 'openai', 'invalid_request_error'],
  ['/v1/chat/completions/', 'openai', 'invalid_request_error'],
  ['/constructor', 'openai', 'invalid_request_error'],
  ['/v1/messages/count_tokens', 'anthropic', 'not_found_error'],
  ['/v1/models/g:countTokens', 'gemini', 'NOT_FOUND'],
  ['/v1beta/models/g:countTokens', 'gemini', 'NOT_FOUND'],
  ['/v1beta/models/a/b:generateContent', 'gemini', 'NOT_FOUND'],
] as const
for (const [path, format, type] of unknown) {
  test(`${path}: is not found`, async () => {
    const reply = await ask(path, chat)
    assert.equal(reply.status, 404)
    assert.equal(errorOf(format, reply), type)
  })
}

test('answers only POST', async () => {
  for (const { path } of operations) {
    const status = await new Promise<number>(resolve => {
      const idle = { onData: () => true, onEnd: () => {}, onError: () => {} }
      sandbox({ method: 'GET', path, headers: {}, body: null }, { onHead: resolve, ...idle })
    })
    assert.equal(status, 404)
  }
})

test('refuses a body that is missing or not JSON', async () => {
  for (const body of [null, Buffer.from(''), Buffer.from('{')]) {
    const status = await new Promise<number>(resolve => {
      const idle = { onData: () => true, onEnd: () => {}, onError: () => {} }
      sandbox({ method: 'POST', path: '/v1/messages', headers: {}, body }, { onHead: resolve, ...idle })
    })
    assert.equal(status, 400)
  }
})

test('names the member at fault', async () => {
  const wrong = await ask('/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content: 5 }] })
  assert.equal(wrong.json().error.param, 'messages.0.content')
  const missing = await ask('/v1/messages', chat)
  assert.equal(missing.json().error.message, "Missing required parameter: 'max_tokens'.")
})

test('refuses a large wrong body without looking for every error', async () => {
  const started = performance.now()
  assert.equal((await ask('/v1/chat/completions', { model: 'm', messages: Array(1e6).fill(1) })).status, 400)
  assert.ok(performance.now() - started < 1000)
})

test('the header overrides the settings of the sandbox for one call', async () => {
  const failing = createSandbox({ ...settings, failure: 'error' }, () => NOW)
  assert.equal((await ask('/v1/messages', { ...chat, max_tokens: 9 }, 'fail=none', failing)).status, 200)
  assert.equal((await ask('/v1/messages', { ...chat, max_tokens: 9 }, undefined, failing)).status, 500)
})

test('a stream has as many text chunks as asked, up to the bound', async () => {
  for (const chunks of [1, 7, 1000]) {
    const reply = await ask('/v1/chat/completions', { ...chat, stream: true }, `chunks=${chunks}`)
    assert.equal(reply.chunks.length, chunks + 2)
  }
})
