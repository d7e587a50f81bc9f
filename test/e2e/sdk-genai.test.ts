import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { ApiError, GoogleGenAI } from '@google/genai'
import { type Gateway, startGateway, until } from '../support/gateway.ts'
import { configFor, OPERATOR_KEY, type Provider, sendJson, startProvider } from '../support/provider.ts'

let provider: Provider
let gateway: Gateway
let liveKey: string

before(async () => {
  provider = await startProvider()
  gateway = await startGateway(configFor(provider))
  liveKey = await gateway.liveKey()
})

after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await provider?.[Symbol.asyncDispose]()
})

beforeEach(() => void provider.requests.splice(0))

const SAID = 'This is the Ostiary sandbox. You said: "Hello".'
const parameters = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 2 } },
  required: ['city', 'days'],
  additionalProperties: false,
}
const tools = [{ functionDeclarations: [{ name: 'weather', parametersJsonSchema: parameters }] }]

// The SDK asks for v1 unless it is told otherwise; its documentation and older releases use v1beta.
for (const apiVersion of [undefined, 'v1beta']) {
  const clientOf = (apiKey: string) =>
    new GoogleGenAI({ apiKey, httpOptions: { baseUrl: gateway.url, ...(apiVersion && { apiVersion }) } })

  describe(`Google SDK (${apiVersion ?? 'its default version'}) and the sandbox`, () => {
    const ask = { model: 'sandbox', contents: 'Hello' }
    let sandbox: GoogleGenAI
    before(() => {
      sandbox = clientOf(gateway.testKey)
    })

    test('contents are generated the same plain and streamed', async () => {
      const plain = await sandbox.models.generateContent(ask)
      assert.equal(plain.text, SAID)
      assert.match(plain.sdkHttpResponse?.headers?.['x-request-id'] ?? '', /^req_[0-9a-z]{26}$/)
      const streamed = await Array.fromAsync(await sandbox.models.generateContentStream(ask))
      assert.equal(streamed.map(({ text }) => text ?? '').join(''), SAID)
      assert.ok(streamed.length > 1)
      assert.deepEqual(streamed.at(-1)?.usageMetadata, plain.usageMetadata)
    })

    test('a function call makes the round trip', async () => {
      const plain = await sandbox.models.generateContent({ ...ask, config: { tools } })
      assert.deepEqual(plain.functionCalls, [{ name: 'weather', args: { city: 'sandbox', days: 2 } }])
      const contents = [
        { role: 'user', parts: [{ text: 'Hello' }] },
        plain.candidates?.[0]?.content ?? {},
        { role: 'user', parts: [{ functionResponse: { name: 'weather', response: { sky: 'Sunny' } } }] },
      ]
      const final = await sandbox.models.generateContent({ model: 'sandbox', contents, config: { tools } })
      assert.match(final.text ?? '', /The tool answered: "{"sky":"Sunny"}"/)
    })

    test('structured output is parsed', async () => {
      const config = { responseMimeType: 'application/json', responseJsonSchema: parameters }
      const { text } = await sandbox.models.generateContent({ ...ask, config })
      assert.deepEqual(JSON.parse(text ?? ''), { city: 'sandbox', days: 2 })
    })

    test('a test key lists and retrieves the models it may use', async () => {
      const names = (await Array.fromAsync(await sandbox.models.list())).map(({ name }) => name)
      assert.deepEqual(names, ['models/sandbox'])
      assert.equal((await sandbox.models.get({ model: 'sandbox' })).name, 'models/sandbox')
      await assert.rejects(sandbox.models.get({ model: 'gem' }), { name: 'ApiError', status: 404 })
    })
  })

  describe(`Google SDK (${apiVersion ?? 'its default version'}) and a provider`, () => {
    const ask = { model: 'gem', contents: 'Hello' }
    let live: GoogleGenAI
    before(() => {
      live = clientOf(liveKey)
    })

    const response = (part: object, finishReason?: string) => ({
      candidates: [{ content: { role: 'model', parts: [part] }, index: 0, ...(finishReason && { finishReason }) }],
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 },
      modelVersion: 'gem-real-2026',
    })
    const stream = (parts: readonly object[]): Provider['answer'] => {
      return ({ path }, res) => {
        assert.match(path, /^\/v1(beta)?\/models\/gem-real:streamGenerateContent\?alt=sse$/)
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        for (const part of parts) res.write(`data: ${JSON.stringify(response(part))}\r\n\r\n`)
        res.end()
      }
    }

    test('the provider is asked with the operator’s key and its name of the model', async () => {
      provider.answer = (_request, res) => sendJson(res, 200, response({ text: 'Good day' }, 'STOP'))
      const answer = await live.models.generateContent(ask)
      assert.equal(answer.text, 'Good day')
      const { path, headers, body } = provider.one()
      assert.match(path, /^\/v1(beta)?\/models\/gem-real:generateContent$/)
      assert.equal(headers['x-goog-api-key'], OPERATOR_KEY)
      assert.match(String(headers['x-goog-api-client']), /^google-genai-sdk/)
      assert.deepEqual(JSON.parse(body.toString()), { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] })
      const event = await gateway.event(answer.sdkHttpResponse?.headers?.['x-request-id'] ?? '')
      assert.equal(event.outcome, 'completed')
      assert.equal(event.model, 'gem')
      assert.deepEqual(event.target, { provider: 'gemini', model: 'gem-real', test: false })
    })

    test('contents are streamed', async () => {
      provider.answer = stream([{ text: 'Good' }, { text: ' day' }])
      const texts = (await Array.fromAsync(await live.models.generateContentStream(ask))).map(({ text }) => text)
      assert.deepEqual(texts, ['Good', ' day'])
    })

    test('a streamed function call makes the round trip', async () => {
      provider.answer = stream([{ functionCall: { name: 'weather', args: { city: 'Rome' } } }])
      const [called] = await Array.fromAsync(await live.models.generateContentStream({ ...ask, config: { tools } }))
      assert.deepEqual(called?.functionCalls, [{ name: 'weather', args: { city: 'Rome' } }])
      provider.answer = ({ body }, res) => {
        const { contents } = JSON.parse(body.toString())
        const { sky } = contents[2].parts[0].functionResponse.response
        sendJson(res, 200, response({ text: `It is ${sky}` }, 'STOP'))
      }
      const contents = [
        { role: 'user', parts: [{ text: 'Hello' }] },
        called?.candidates?.[0]?.content ?? {},
        { role: 'user', parts: [{ functionResponse: { name: 'weather', response: { sky: 'sunny' } } }] },
      ]
      const final = await live.models.generateContent({ model: 'gem', contents, config: { tools } })
      assert.equal(final.text, 'It is sunny')
    })

    test('a live key lists and retrieves the models it may use', async () => {
      const names = (await Array.fromAsync(await live.models.list())).map(({ name }) => name)
      assert.deepEqual(names, ['models/gem'])
      assert.equal((await live.models.get({ model: 'gem' })).name, 'models/gem')
      assert.deepEqual(provider.requests, [])
    })

    test('a wrong key is an ApiError 401', async () => {
      await assert.rejects(clientOf('sk_live_wrong').models.generateContent(ask), error => {
        assert.ok(error instanceof ApiError)
        assert.equal(error.status, 401)
        assert.match(error.message, /UNAUTHENTICATED/)
        return true
      })
      assert.deepEqual(provider.requests, [])
    })

    test('an unknown model is an ApiError 404', async () => {
      await assert.rejects(live.models.generateContent({ ...ask, model: 'nowhere' }), error => {
        assert.ok(error instanceof ApiError)
        assert.equal(error.status, 404)
        assert.match(error.message, /MODEL_NOT_FOUND/)
        return true
      })
    })

    test('the provider’s 429 is an ApiError with the provider’s words', async () => {
      const refusal = {
        error: { code: 429, message: 'You exceeded your current quota.', status: 'RESOURCE_EXHAUSTED' },
      }
      provider.answer = (_request, res) => sendJson(res, 429, refusal)
      await assert.rejects(live.models.generateContent(ask), error => {
        assert.ok(error instanceof ApiError)
        assert.equal(error.status, 429)
        assert.deepEqual(JSON.parse(error.message), refusal)
        return true
      })
    })

    test('a stream abandoned after its first chunk is stopped at the provider', async () => {
      provider.answer = (_request, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        res.write(`data: ${JSON.stringify(response({ text: 'Good' }))}\r\n\r\n`)
      }
      // Leaving the loop does not end the request: this SDK wants a signal for that.
      const abort = new AbortController()
      const config = { abortSignal: abort.signal }
      const chunks = await live.models.generateContentStream({ ...ask, config })
      const first = await chunks.next()
      assert.equal(first.value?.text, 'Good')
      const requestId = first.value?.sdkHttpResponse?.headers?.['x-request-id'] ?? ''
      abort.abort()
      const { closed, socket } = provider.one()
      await closed
      await until('the provider’s connection to end', () => socket.destroyed, 2000)
      const event = await gateway.event(requestId)
      assert.equal(event.outcome, 'caller_hung_up')
      assert.equal(event.stream, true)
      assert.equal(event.status, 200)
    })
  })
}
