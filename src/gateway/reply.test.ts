import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Problem } from '#core/problems.ts'
import type { MeteredUsage } from '#core/usage.ts'
import { createUpstream } from '#http/upstream.ts'
import { createCatalog, type Provider } from '#providers/catalog.ts'
import type { FormatName } from '#providers/wire-format.ts'
import { createServiceTable } from '#services/service-table.ts'
import { Call } from './call.ts'
import { forward } from './forward.ts'
import { type Asked, ask, dial, openProvider, openRawProvider, readAll } from './gateway-under-test.ts'
import type { Hold } from './limit-call.ts'
import { readInput } from './read-input.ts'
import { refuse } from './refuse.ts'
import { relay } from './relay.ts'
import { findRoute, type OperationRoute } from './routes.ts'

interface Options {
  readonly upstreamPort?: number
  readonly format?: FormatName
  readonly drainMs?: number
  readonly maxOutputTokens?: number
  readonly provider?: Partial<Provider>
}

/** The stages from the body to the answer before a real connection pool; gives each call when it is over. */
async function openStages(t: TestContext, options: Options) {
  const { upstreamPort = 1, format = 'openai', drainMs } = options
  const upstream = createUpstream({
    origin: `http://127.0.0.1:${upstreamPort}`,
    connections: 4,
    connectTimeoutMs: 2000,
    timeoutMs: 2000,
    idleTimeoutMs: 2000,
    allowPrivateNetwork: false,
  })
  const provider = { name: 'p', format, test: false, credential: null, basePath: '', send: upstream.send }
  const entry = { alias: 'real', model: 'its-name', provider: 'p', maxOutputTokens: options.maxOutputTokens ?? null }
  const catalog = createCatalog([{ ...provider, ...options.provider }], [entry])
  const onHangUp = drainMs === undefined ? ('stop' as const) : ('drain' as const)
  const bounds = { maxBodyBytes: 1e6, maxJsonDepth: 16, timeoutMs: 5000, headTimeoutMs: 5000 }
  const limits = { ...bounds, onHangUp, drainMs: drainMs ?? 0 }
  const over: Call[] = []
  const waiting: ((call: Call) => void)[] = []
  const handle: RequestListener = async (req, res) => {
    const call = new Call('req_1', req, res, '127.0.0.1', 0, { number: 1, resourceMetadata: null })
    try {
      const route = call.routed(findRoute(req, createServiceTable([]))) as OperationRoute
      const input = await readInput(call, route, limits)
      const target = catalog.find(input.model, route.format)
      const reply = await forward(call, route, { grant: { target }, input, maxOutputTokens: null } as unknown as Hold)
      await relay(call, reply, limits.timeoutMs)
    } catch (error) {
      assert.ok(error instanceof Problem, String(error))
      refuse(call, error)
      call.answer?.()
    }
    const next = waiting.shift()
    if (next === undefined) over.push(call)
    else next(call)
  }
  const server = createServer(handle).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await upstream[Symbol.asyncDispose]()
  })
  return {
    port: (server.address() as AddressInfo).port,
    call: async () => over.shift() ?? (await new Promise<Call>(resolve => waiting.push(resolve))),
  }
}

const SSE = { 'content-type': 'text/event-stream' }
const TEXT = 'data: {"choices":[{"delta":{"content":"25 bytes of text to count"}}],"usage":null}\n\n'
const USAGE = 'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}\n\n'
const DONE = 'data: [DONE]\n\n'
const CHAT = { model: 'real', messages: [] }
const STREAM: Asked = { body: { ...CHAT, stream: true } }
const counts = (usage: MeteredUsage | null) => usage && [usage.source, usage.input, usage.output]

test('a plain answer’s use is the provider’s count', async t => {
  const upstreamPort = await openProvider(t, (_req, res) => {
    res.writeHead(200, { 'content-type': 'application/json' })
    res.end('{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}')
  })
  const stages = await openStages(t, { upstreamPort })
  const { text } = await readAll(await ask(stages.port))
  assert.equal(text, '{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}')
  assert.deepEqual(counts((await stages.call()).usage), ['provider', 7, 5])
})

const asking: readonly (readonly [what: string, body: string, sent: string, drops: boolean])[] = [
  [
    'that does not ask',
    '{"model":"real", "stream":true,"messages":[]}',
    '{"stream_options":{"include_usage":true},"model":"its-name", "stream":true,"messages":[]}',
    true,
  ],
  [
    'with options that do not ask',
    '{"stream_options":{"x": 1},"model":"real","stream":true,"messages":[]}',
    '{"stream_options":{"include_usage":true,"x": 1},"model":"its-name","stream":true,"messages":[]}',
    true,
  ],
  [
    'with empty options',
    '{"stream_options":{},"model":"real","stream":true,"messages":[]}',
    '{"stream_options":{"include_usage":true},"model":"its-name","stream":true,"messages":[]}',
    true,
  ],
  [
    'that wants none',
    '{"stream_options": { "include_usage" : false } ,"model":"real","stream":true,"messages":[]}',
    '{"stream_options": { "include_usage" : true } ,"model":"its-name","stream":true,"messages":[]}',
    true,
  ],
  [
    'without options, said so',
    '{"stream":true,"stream_options":null,"model":"real","messages":[]}',
    '{"stream":true,"stream_options":{"include_usage":true},"model":"its-name","messages":[]}',
    true,
  ],
  [
    'that asks',
    '{"stream_options":{"include_usage":true},"model":"real","stream":true,"messages":[]}',
    '{"stream_options":{"include_usage":true},"model":"its-name","stream":true,"messages":[]}',
    false,
  ],
  [
    'with options that are none',
    '{"stream_options":[],"model":"real","stream":true,"messages":[]}',
    '{"stream_options":[],"model":"its-name","stream":true,"messages":[]}',
    false,
  ],
]

for (const [what, body, sent, drops] of asking) {
  test(`a chat stream ${what} tells its use, and its caller gets what it asked for`, async t => {
    let got = ''
    let length = ''
    const upstreamPort = await openProvider(t, async (req, res) => {
      length = String(req.headers['content-length'])
      for await (const part of req) got += part
      res.writeHead(200, SSE).write(TEXT + USAGE.slice(0, 30))
      await new Promise(resolve => setTimeout(resolve, 20))
      res.write(USAGE.slice(30))
      res.end(DONE)
    })
    const stages = await openStages(t, { upstreamPort })
    const { text, complete } = await readAll(await ask(stages.port, { body }))
    assert.deepEqual([got, length], [sent, String(Buffer.byteLength(sent))])
    assert.ok(complete)
    assert.equal(text, drops ? TEXT + DONE : TEXT + USAGE + DONE)
    const call = await stages.call()
    assert.deepEqual(counts(call.usage), ['provider', 7, 5])
    assert.equal(call.bytesOut, text.length)
  })
}

for (const streamed of [true, false]) {
  test(`the extra chunk is taken out of a stream that is here ${streamed ? 'last of all' : 'whole'} too`, async t => {
    const upstreamPort = await openProvider(t, async (_req, res) => {
      res.writeHead(200, SSE)
      if (streamed) res.write(TEXT)
      // Without a blank line at its end.
      res.end((streamed ? '' : TEXT) + USAGE.trimEnd())
    })
    const stages = await openStages(t, { upstreamPort })
    assert.equal((await readAll(await ask(stages.port, STREAM))).text, TEXT)
    assert.deepEqual(counts((await stages.call()).usage), ['provider', 7, 5])
  })
}

test('a server that refuses the question is not asked; its use is estimated', async t => {
  let got = ''
  const upstreamPort = await openProvider(t, async (req, res) => {
    for await (const part of req) got += part
    res.writeHead(200, SSE).end(TEXT + DONE)
  })
  const stages = await openStages(t, { upstreamPort, provider: { streamUsage: 'leave' } })
  await readAll(await ask(stages.port, STREAM))
  assert.equal(got, JSON.stringify({ ...CHAT, model: 'its-name', stream: true }))
  assert.deepEqual(counts((await stages.call()).usage), ['estimate', 18, 18])
})

test('an encoded reply is estimated by its bytes', async t => {
  const body = gzipSync('{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}')
  const upstreamPort = await openProvider(t, (req, res) => {
    assert.equal(req.headers['accept-encoding'], 'identity')
    res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(body)
  })
  const stages = await openStages(t, { upstreamPort })
  await readAll(await ask(stages.port))
  assert.deepEqual(counts((await stages.call()).usage), ['estimate', 12, body.length])
})

test('a refusal of the provider cost nothing', async t => {
  const upstreamPort = await openProvider(t, (_req, res) => res.writeHead(429).end('{"error":{}}'))
  const stages = await openStages(t, { upstreamPort })
  await readAll(await ask(stages.port))
  assert.deepEqual(counts((await stages.call()).usage), ['provider', 0, 0])
})

test('a provider that was never reached cost nothing; one that broke off may have written all that it was asked for', async t => {
  const away = await openStages(t, {})
  await readAll(await ask(away.port))
  assert.equal((await away.call()).usage, null)
  const upstreamPort = await openRawProvider(t, socket => socket.destroy())
  const broken = await openStages(t, { upstreamPort })
  await readAll(await ask(broken.port))
  assert.deepEqual(counts((await broken.call()).usage), ['estimate', 12, 1024])
  await readAll(await ask(broken.port, { body: { ...CHAT, max_tokens: 70 } }))
  assert.deepEqual(counts((await broken.call()).usage), ['estimate', 19, 70])
  await readAll(await ask(broken.port, STREAM))
  assert.deepEqual(counts((await broken.call()).usage), ['estimate', 18, 0], 'a stream had written nothing')
})

for (const [what, headers, expected] of [
  ['that says its length', { 'content-length': '1000' }, 408],
  ['in chunks', {}, 1024],
] as const) {
  test(`an answer ${what}, cut by its provider or its caller, may have cost all of it`, async t => {
    const reached: ServerResponse[] = []
    const upstreamPort = await openProvider(t, (_req, res) => {
      res.writeHead(200, { 'content-type': 'application/json', ...headers }).write('{"choices":[')
      reached.push(res)
    })
    const stages = await openStages(t, { upstreamPort })
    for (const body of [CHAT, { ...CHAT, max_tokens: 70 }]) {
      const output = 'max_tokens' in body ? 70 : expected
      const cut = await ask(stages.port, { body })
      await once(cut, 'data')
      cut.destroy()
      assert.deepEqual(counts((await stages.call()).usage)?.toSpliced(1, 1), ['estimate', output])
      const broken = await ask(stages.port, { body })
      await once(broken, 'data')
      broken.on('error', () => {})
      reached.at(-1)?.destroy()
      assert.deepEqual(counts((await stages.call()).usage)?.toSpliced(1, 1), ['estimate', output])
    }
  })
}

test('a stream that breaks off costs what was received', async t => {
  const upstreamPort = await openRawProvider(t, socket => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n'
    socket.end(`${head}${TEXT.length.toString(16)}\r\n${TEXT}\r\n`)
  })
  const stages = await openStages(t, { upstreamPort })
  await readAll(await ask(stages.port, STREAM))
  assert.deepEqual(counts((await stages.call()).usage), ['estimate', 18, 18])
})

/** A provider that has sent the text, and sends the rest when told to. */
async function openPausing(t: TestContext) {
  const reached = Promise.withResolvers<ServerResponse>()
  const port = await openProvider(t, (_req, res) => {
    res.writeHead(200, SSE).write(TEXT)
    reached.resolve(res)
  })
  return { port, reached: reached.promise }
}

test('a caller that hangs up pays what was received, and the provider is stopped', async t => {
  const provider = await openPausing(t)
  const stages = await openStages(t, { upstreamPort: provider.port })
  const res = await ask(stages.port, STREAM)
  await once(res, 'data')
  const closed = once(await provider.reached, 'close')
  res.destroy()
  await closed
  const call = await stages.call()
  assert.deepEqual([call.gone, ...(counts(call.usage) ?? [])], [true, 'estimate', 18, 18])
})

test('a caller that hangs up before the head pays all that may have been written', async t => {
  const reached = Promise.withResolvers<void>()
  const upstreamPort = await openProvider(t, () => reached.resolve())
  const stages = await openStages(t, { upstreamPort })
  const text = JSON.stringify(CHAT)
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${text.length}`
  const socket = dial(stages.port, `${head}\r\n\r\n${text}`)
  await reached.promise
  socket.destroy()
  const call = await stages.call()
  assert.deepEqual(
    [call.problem?.code, ...(counts(call.usage) ?? [])],
    ['request.caller_hung_up', 'estimate', 12, 1024],
  )
})

test('drained, a provider is read on after its caller has hung up, and its count is the bill', async t => {
  const provider = await openPausing(t)
  const stages = await openStages(t, { upstreamPort: provider.port, drainMs: 60_000 })
  const res = await ask(stages.port, STREAM)
  await once(res, 'data')
  res.destroy()
  const upstream = await provider.reached
  // More than any buffer on the way holds: somebody reads.
  const filler = TEXT.repeat(1000)
  for (let i = 0; i < 50; i++) if (!upstream.write(filler)) await once(upstream, 'drain')
  upstream.end(USAGE + DONE)
  const call = await stages.call()
  assert.deepEqual([call.gone, ...(counts(call.usage) ?? [])], [true, 'provider', 7, 5])
  assert.ok(call.bytesOut < filler.length * 10, 'the caller got none of it')
})

test('drained, a provider that had not answered yet is heard too', async t => {
  const reached = Promise.withResolvers<ServerResponse>()
  const upstreamPort = await openProvider(t, (_req, res) => reached.resolve(res))
  const stages = await openStages(t, { upstreamPort, drainMs: 60_000 })
  const text = JSON.stringify(CHAT)
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${text.length}`
  const socket = dial(stages.port, `${head}\r\n\r\n${text}`)
  const upstream = await reached.promise
  socket.destroy()
  await new Promise(resolve => setTimeout(resolve, 50))
  upstream.end('{"usage":{"prompt_tokens":7,"completion_tokens":5}}')
  const call = await stages.call()
  assert.deepEqual([call.problem?.code, ...(counts(call.usage) ?? [])], ['request.caller_hung_up', 'provider', 7, 5])
})

test('drained no longer than the bound: then the provider is stopped, and what was received is the bill', async t => {
  const provider = await openPausing(t)
  const stages = await openStages(t, { upstreamPort: provider.port, drainMs: 50 })
  const res = await ask(stages.port, STREAM)
  await once(res, 'data')
  const closed = once(await provider.reached, 'close')
  res.destroy()
  const at = performance.now()
  assert.deepEqual(counts((await stages.call()).usage), ['estimate', 18, 18])
  await closed
  // Earlier than the provider’s silence would end it.
  assert.ok(performance.now() - at < 1500)
})

test('drained, a provider that breaks is over at once', async t => {
  const provider = await openPausing(t)
  const stages = await openStages(t, { upstreamPort: provider.port, drainMs: 60_000 })
  const res = await ask(stages.port, STREAM)
  await once(res, 'data')
  res.destroy()
  await new Promise(resolve => setTimeout(resolve, 20))
  ;(await provider.reached).destroy()
  assert.deepEqual(counts((await stages.call()).usage), ['estimate', 18, 18])
})

const CHAT_PATH = '/v1/chat/completions'
const GENERATE = '/v1beta/models/real:generateContent'

const limited: readonly (readonly [FormatName, path: string, body: string, sent: string | RegExp])[] = [
  [
    'openai',
    CHAT_PATH,
    '{"model":"real","messages":[]}',
    '{"max_completion_tokens":100,"model":"its-name","messages":[]}',
  ],
  [
    'openai',
    CHAT_PATH,
    '{"stream":true,"model":"real","messages":[]}',
    '{"stream_options":{"include_usage":true},"max_completion_tokens":100,"stream":true,"model":"its-name","messages":[]}',
  ],
  [
    'openai',
    CHAT_PATH,
    '{"max_completion_tokens":null,"model":"real","messages":[]}',
    '{"max_completion_tokens":100,"model":"its-name","messages":[]}',
  ],
  [
    'openai',
    CHAT_PATH,
    '{"max_tokens":100,"model":"real","messages":[]}',
    '{"max_tokens":100,"model":"its-name","messages":[]}',
  ],
  ['openai', CHAT_PATH, '{"max_tokens":101,"model":"real","messages":[]}', /request\.max_output/],
  [
    'openai',
    CHAT_PATH,
    '{"max_tokens":5,"max_completion_tokens":101,"model":"real","messages":[]}',
    /request\.max_output/,
  ],
  ['openai', CHAT_PATH, '{"max_tokens":-1,"model":"real","messages":[]}', /request\.invalid_body/],
  ['openai', CHAT_PATH, '{"max_tokens":"9","model":"real","messages":[]}', /request\.invalid_body/],
  ['openai', CHAT_PATH, '{"Max_Tokens":9999,"model":"real","messages":[]}', /request\.duplicate_member/],
  ['openai', '/v1/responses', '{"model":"real"}', '{"max_output_tokens":100,"model":"its-name"}'],
  ['openai', '/v1/responses', '{"model":"real","max_output_tokens":101}', /request\.max_output/],
  ['openai', '/v1/embeddings', '{"model":"real","input":"x"}', '{"model":"its-name","input":"x"}'],
  [
    'anthropic',
    '/v1/messages',
    '{"model":"real","messages":[]}',
    '{"max_tokens":100,"model":"its-name","messages":[]}',
  ],
  ['anthropic', '/v1/messages', '{"model":"real","messages":[],"max_tokens":101}', /100 tokens at most/],
  ['gemini', GENERATE, '{"contents":[]}', '{"generationConfig":{"maxOutputTokens":100},"contents":[]}'],
  [
    'gemini',
    GENERATE,
    '{"contents":[],"generationConfig":{"topK": 1.0}}',
    '{"contents":[],"generationConfig":{"maxOutputTokens":100,"topK": 1.0}}',
  ],
  [
    'gemini',
    GENERATE,
    '{"contents":[],"generation_config":{"max_output_tokens":null}}',
    '{"contents":[],"generation_config":{"max_output_tokens":100}}',
  ],
  ['gemini', GENERATE, '{"contents":[],"generationConfig":{"max_output_tokens":101}}', /100 tokens at most/],
  ['gemini', GENERATE, '{"contents":[],"generationConfig":[]}', /must be an object/],
]

for (const [format, path, body, sent] of limited) {
  test(`a model of 100 tokens of output: ${path} ${body}`, async t => {
    let got: string | null = null
    const upstreamPort = await openProvider(t, async (req, res) => {
      got = ''
      for await (const part of req) got += part
      res.end('{}')
    })
    const stages = await openStages(t, { upstreamPort, format, maxOutputTokens: 100 })
    const res = await ask(stages.port, { path, body })
    const { text } = await readAll(res)
    if (typeof sent === 'string') assert.equal(got, sent)
    else {
      assert.equal(res.statusCode, 400)
      assert.match(text, sent)
      assert.deepEqual([got, (await stages.call()).usage], [null, null])
    }
  })
}

test('a server of the older name is asked by it', async t => {
  let got = ''
  const upstreamPort = await openProvider(t, async (req, res) => {
    for await (const part of req) got += part
    res.end('{}')
  })
  const stages = await openStages(t, { upstreamPort, maxOutputTokens: 9, provider: { maxTokensMember: 'max_tokens' } })
  await readAll(await ask(stages.port))
  assert.equal(got, '{"max_tokens":9,"model":"its-name","messages":[]}')
  got = ''
  // What it may not know it would not heed.
  await readAll(await ask(stages.port, { body: { model: 'real', messages: [], max_completion_tokens: 5 } }))
  assert.deepEqual(JSON.parse(got), { model: 'its-name', messages: [], max_completion_tokens: 5, max_tokens: 5 })
})
