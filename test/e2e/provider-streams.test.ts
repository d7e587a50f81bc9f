import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { test } from 'node:test'
import type { CallEvent } from '#core/events.ts'
import { ask, startGateway } from '../support/gateway.ts'
import { configFor, startProvider } from '../support/provider.ts'
import {
  type RecordedExchange as Exchange,
  type Recording,
  readRecording,
  recordings as readRecordings,
  recordedUsage,
  withoutRecordings as skip,
} from '../support/recorded-exchanges.ts'

/** How a recording's request is put to the gateway; the model is one that the gateway knows. */
const routes: Record<string, (exchange: Exchange, stream: boolean) => { path: string; body: object }> = {
  'openai-chat': ({ request }, stream) => ({
    path: '/v1/chat/completions',
    body: { ...(request?.body ?? { messages: [{ role: 'user', content: 'Hello' }], stream }), model: 'gpt' },
  }),
  'openai-responses': ({ request }, stream) => ({
    path: '/v1/responses',
    body: { ...(request?.body ?? { input: 'Hello', stream }), model: 'gpt' },
  }),
  'anthropic-messages': ({ request }, stream) => ({
    path: '/v1/messages',
    body: { ...(request?.body ?? { messages: [], max_tokens: 9, stream }), model: 'claude' },
  }),
  gemini: ({ request }, stream) => ({
    path: `/v1beta/models/gem:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    body: request?.body ?? { contents: [] },
  }),
}

/** Recorded requests that the gateway refuses, by reason: each names an object of the provider's account. */
const REFUSED: Record<string, number> = {
  'anthropic-messages 403 container': 1,
  'anthropic-messages 403 file_id': 2,
  'gemini 403 fileUri': 6,
  'gemini 403 file_search_store_names': 4,
  'gemini 403 file_uri': 10,
  'openai-chat route.stateful_operation file_id': 1,
  'openai-responses route.stateful_operation an object named by its id alone': 3,
  'openai-responses route.stateful_operation background': 5,
  'openai-responses route.stateful_operation conversation': 5,
  'openai-responses route.stateful_operation file_id': 4,
  'openai-responses route.stateful_operation previous_response_id': 3,
  'openai-responses route.stateful_operation vector_store_ids': 4,
}

/** Whether the gateway asks for the use of this stream, which its caller did not. */
function asksForUsage(path: string, body: object): boolean {
  return path === '/v1/chat/completions' && 'stream' in body && body.stream === true && !('stream_options' in body)
}

function withoutExtraChunk(body: string): string {
  return body
    .split(/(?<=\n\n)/)
    .filter(event => !/"choices":\s*\[\].*"usage":\s*\{/.test(event))
    .join('')
}

const LENGTHS = [1, 7, 64, 3, 1021, 4096, 333]

/** Pieces of uneven, fixed lengths, most of which cut a character, a line or an event in two. */
function* pieces(body: Buffer): Generator<Buffer> {
  for (let at = 0, n = 0; at < body.length; n++) {
    const end = at + (LENGTHS[n % LENGTHS.length] as number)
    yield body.subarray(at, end)
    at = end
  }
}

test('recorded answers of real providers arrive byte for byte, and are billed as recorded', { skip }, async t => {
  const recordings = readRecordings()
  const exchanges = new Map(recordings.map(recording => [recording, readRecording(recording)]))
  const received = new Map<string, Buffer>()
  const billed: { readonly id: string; readonly recording: Recording }[] = []
  await using provider = await startProvider(async ({ body, headers }, res) => {
    const file = String(headers['openai-beta'] ?? headers['anthropic-beta'] ?? headers['x-goog-api-client'])
    const recording = recordings.find(candidate => candidate.file === file)
    const exchange = recording && exchanges.get(recording)
    if (exchange === undefined) throw new Error(`no recording for ${file}`)
    received.set(file, body)
    const { status, headers: recorded, body: text } = exchange.response
    res.writeHead(status, recorded)
    for (const piece of pieces(Buffer.from(text))) {
      res.write(piece)
      await new Promise(resolve => setImmediate(resolve))
    }
    res.end()
  })
  await using gateway = await startGateway(configFor(provider))
  const key = await gateway.liveKey()
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const refused: Record<string, number> = {}
  let passed = 0
  let dropped = 0

  const replay = async (recording: Recording) => {
    const exchange = exchanges.get(recording) as Exchange
    const { file } = recording
    const { path, body } = (routes[recording.provider] as (typeof routes)[string])(exchange, recording.stream)
    const sent = JSON.stringify(body)
    const reply = await ask(gateway.url + path, {
      agent,
      body: sent,
      headers: {
        'x-ostiary-key': key,
        'content-type': 'application/json',
        // The one header of each format that passes: it tells the provider which recording is meant.
        'openai-beta': file,
        'anthropic-beta': file,
        'x-goog-api-client': file,
      },
    })
    if (reply.headers['x-ostiary-overhead-ms'] === undefined) {
      const { code = '', message } = JSON.parse(reply.text).error
      const member = /\((.+)\)/.exec(message)?.[1] ?? message
      const reason = `${recording.provider} ${code || reply.status} ${member}`
      refused[reason] = (refused[reason] ?? 0) + 1
      return
    }
    passed++
    billed.push({ id: String(reply.headers['x-request-id']), recording })
    assert.equal(reply.status, exchange.response.status, file)
    assert.ok(reply.whole, file)
    const asks = asksForUsage(path, body)
    const expected = asks ? withoutExtraChunk(exchange.response.body) : exchange.response.body
    if (expected !== exchange.response.body) dropped++
    assert.ok(reply.body.equals(Buffer.from(expected)), `${file} was changed on its way down`)
    assert.equal(reply.headers['content-type'], exchange.response.headers['content-type'], file)
    const named = 'model' in body ? { ...body, model: `${body.model}-real` } : body
    const asked = asks ? { stream_options: { include_usage: true }, ...named } : named
    assert.ok(received.get(file)?.equals(Buffer.from(JSON.stringify(asked))), `${file} was changed on its way up`)
  }
  const queue = recordings.values()
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (const recording of queue) await replay(recording)
    }),
  )
  agent.destroy()
  t.diagnostic(`${passed} exchanges passed; refused: ${JSON.stringify(refused)}`)
  assert.equal(passed + Object.values(refused).reduce((sum, n) => sum + n, 0), recordings.length)
  assert.deepEqual(refused, REFUSED)
  assert.equal(dropped, 3, 'extra chunks that the callers did not ask for')

  const events = new Map((await gateway.events(recordings.length)).map(event => [event.id, event]))
  let counted = 0
  for (const { id, recording } of billed) {
    const expected = recordedUsage(recording.provider, exchanges.get(recording) as Exchange)
    const usage = events.get(id)?.usage
    if (expected === null) {
      // A refusal cost nothing, says the provider; an answer without a count is estimated.
      assert.equal(usage?.source, recording.status >= 400 ? 'provider' : 'estimate', recording.file)
      continue
    }
    counted++
    assert.deepEqual([usage?.source, totals(usage)], ['provider', expected], recording.file)
  }
  t.diagnostic(`${counted} events with the recorded use`)
  assert.ok(counted > 550)
})

const totals = (usage: CallEvent['usage'] | undefined) => {
  if (!usage) return null
  const { input, output, reasoning, cachedInput } = usage
  return { input, output, reasoning, cachedInput }
}

const CUTS = 12
const SHARES = [0.1, 0.5, 0.9, 1]

test('recorded streams that break off are billed right, or by an estimate that is not below what was said', {
  skip,
}, async t => {
  const streams = Object.keys(routes).flatMap(provider =>
    readRecordings()
      .filter(recording => recording.provider === provider && recording.stream && recording.status < 400)
      .map(recording => ({ recording, exchange: readRecording(recording) }))
      .filter(({ recording, exchange }) => recordedUsage(recording.provider, exchange) !== null)
      .filter((_, n) => n % 7 === 0)
      .slice(0, CUTS),
  )
  let sent = Buffer.alloc(0)
  await using provider = await startProvider((_request, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.write(sent, () => res.destroy())
  })
  await using gateway = await startGateway(configFor(provider))
  const key = await gateway.liveKey()
  const headers = { 'x-ostiary-key': key, 'content-type': 'application/json' }
  const sources = { provider: 0, estimate: 0 }
  for (const { recording, exchange } of streams) {
    const { path, body } = (routes[recording.provider] as (typeof routes)[string])({ ...exchange, request: null }, true)
    const whole = Buffer.from(exchange.response.body)
    const expected = recordedUsage(recording.provider, exchange)
    let least = 0
    for (const share of SHARES) {
      sent = whole.subarray(0, Math.floor(whole.length * share))
      const reply = await ask(gateway.url + path, { body: JSON.stringify(body), headers })
      const { usage } = await gateway.event(String(reply.headers['x-request-id']))
      const where = `${recording.file} at ${share}`
      assert.ok(usage, where)
      sources[usage.source]++
      if (usage.source === 'provider') assert.deepEqual(totals(usage), expected, where)
      else assert.ok(usage.input > 0 && usage.output >= least, where)
      least = usage.output
    }
  }
  t.diagnostic(`${streams.length} streams: ${JSON.stringify(sources)}`)
  assert.ok(streams.length > CUTS && sources.provider > 0 && sources.estimate > 2 * streams.length)
})
