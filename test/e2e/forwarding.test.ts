import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { ask, type Gateway, type Reply, startGateway, until } from '../support/gateway.ts'
import { configFor, OPERATOR_KEY, type Provider, sendJson, startProvider } from '../support/provider.ts'

let provider: Provider
let gateway: Gateway
let key: string

/** The scripted provider in each format, in a hurry, and at an address where nobody listens. */
async function configOf(url: string): Promise<string> {
  const gone = await startProvider()
  await gone[Symbol.asyncDispose]()
  const lines = { providers: [] as string[], models: [] as string[] }
  for (const format of ['openai', 'anthropic', 'gemini']) {
    for (const [suffix, members] of [
      ['', `baseUrl: '${url}'`],
      ['-base', `baseUrl: '${url}/behind/a/path/'`],
      ['-hurried', `baseUrl: '${url}', timeoutMs: 200, idleTimeoutMs: 200`],
      ['-gone', `baseUrl: '${gone.url}'`],
    ]) {
      lines.providers.push(`  ${format}${suffix}: { format: ${format}, ${members}, credential: env:KEY }`)
      lines.models.push(`  ${format}${suffix}: { provider: ${format}${suffix}, model: '${format}/real' }`)
    }
  }
  return `providers:\n${lines.providers.join('\n')}\nmodels:\n${lines.models.join('\n')}\n`
}

before(async () => {
  provider = await startProvider()
  gateway = await startGateway({
    yaml: await configOf(provider.url),
    env: { KEY: OPERATOR_KEY, OSTIARY_REQUESTS_TIMEOUT_MS: '3000', OSTIARY_REQUESTS_HEAD_TIMEOUT_MS: '3000' },
  })
  key = await gateway.liveKey()
})

after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await provider?.[Symbol.asyncDispose]()
})

beforeEach(() => {
  provider.requests.splice(0)
  provider.answer = (_request, res) => sendJson(res, 200, { ok: true })
})

/** One streaming endpoint a format, and what an error of the gateway looks like there. */
const endpoints = [
  {
    name: 'OpenAI chat',
    format: 'openai',
    path: () => '/v1/chat/completions',
    body: (model: string) => `{"model":"${model}","stream":true,"messages":[]}`,
    errorOf: (body: unknown) => (body as { error: { code: string } }).error.code,
    lineEnd: '\n',
  },
  {
    name: 'OpenAI responses',
    format: 'openai',
    path: () => '/v1/responses',
    body: (model: string) => `{"model":"${model}","stream":true,"input":"Hello"}`,
    errorOf: (body: unknown) => (body as { error: { code: string } }).error.code,
    lineEnd: '\n',
  },
  {
    name: 'Anthropic messages',
    format: 'anthropic',
    path: () => '/v1/messages',
    body: (model: string) => `{"model":"${model}","stream":true,"messages":[]}`,
    errorOf(body: unknown) {
      const { type, error, request_id } = body as { type: string; error: { type: string }; request_id: string }
      assert.equal(type, 'error')
      assert.match(request_id, /^req_/)
      return { api_error: 'upstream.broken', timeout_error: 'upstream.timeout' }[error.type]
    },
    lineEnd: '\n',
  },
  {
    name: 'Gemini',
    format: 'gemini',
    path: (model: string) => `/v1beta/models/${model}:streamGenerateContent?alt=sse`,
    body: () => '{"contents":[]}',
    errorOf(body: unknown) {
      const { error } = body as { error: { status: string; details: { reason: string }[] } }
      assert.equal(error.status, error.details[0]?.reason === 'UPSTREAM_TIMEOUT' ? 'DEADLINE_EXCEEDED' : 'UNAVAILABLE')
      return error.details[0]?.reason.toLowerCase().replace('_', '.')
    },
    lineEnd: '\r\n',
  },
] as const

type Endpoint = (typeof endpoints)[number]

function call(endpoint: Endpoint, model: string = endpoint.format, headers = {}, agent: Agent | false = false) {
  return ask(gateway.url + endpoint.path(model), {
    agent,
    body: endpoint.body(model),
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
  })
}

function chat(body: string | Buffer, headers = {}): Promise<Reply> {
  return ask(`${gateway.url}/v1/chat/completions`, {
    body,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
  })
}

/** Opens a stream and hands over each piece as it arrives. */
async function open(
  endpoint: Endpoint,
  onData: (text: string) => void,
  model: string = endpoint.format,
  { url } = gateway,
  bearer = key,
) {
  const req = request(url + endpoint.path(model), {
    method: 'POST',
    agent: false,
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
  })
  req.end(endpoint.body(model))
  const [res] = await once(req, 'response')
  res.setEncoding('utf8').on('data', onData)
  return res as IncomingMessage
}

const idOf = ({ headers }: Reply) => String(headers['x-request-id'])

describe('the body on its way up', () => {
  const tail = `  "messages" : [ ],\r\n\t"seed": 12345678901234567890123,"t":1.0, "e":1E+2, "z":-0.0,
    "text":"\\u00e9\\/ é 😀 \\ud83d\\ude00 \\u0000", "empty":{ }, "list":[1 ,2,  3 ]  } \n`

  const cases: readonly (readonly [string, string, string])[] = [
    ['a model with the provider’s own name', '{"model":"openai/real",', '{"model":"openai/real",'],
    ['an alias', '{ "model" : "openai",', '{ "model" : "openai/real",'],
    ['an alias in escapes', '{"model":"\\u006fpen\\u0061i",', '{"model":"openai/real",'],
    ['a member name in escapes', '{"\\u006dode\\u006c"\n:\n"openai",', '{"\\u006dode\\u006c"\n:\n"openai/real",'],
    [
      'other members of that name and value',
      '{"a":{"model":"openai"},"b":"model","c":["model"],"model":"openai",',
      '{"a":{"model":"openai"},"b":"model","c":["model"],"model":"openai/real",',
    ],
  ]
  for (const [name, sent, received] of cases) {
    test(`passes byte for byte with ${name}`, async () => {
      // A provider's own name is no public one here, so it is asked for as itself by way of a pattern.
      const model = sent.includes('"openai/real"') ? '' : 'real'
      const reply = await chat(model === '' ? sent.replace('openai/real', 'openai') + tail : sent + tail)
      assert.equal(reply.status, 200, reply.text)
      assert.equal(provider.one().body.toString(), received + tail)
    })
  }

  test('of Gemini passes byte for byte, and the model is in the path', async () => {
    const body = `{ "contents" : [{"parts":[{"text":"\\u00e9 1.0 é"}]}], "n":1.0, "big":12345678901234567890 }\n`
    const reply = await ask(`${gateway.url}/v1beta/models/gemini:generateContent`, {
      body,
      headers: { 'x-goog-api-key': key, 'content-type': 'application/json' },
    })
    assert.equal(reply.status, 200, reply.text)
    const received = provider.one()
    assert.equal(received.body.toString(), body)
    assert.equal(received.path, '/v1beta/models/gemini%2Freal:generateContent')
  })

  test('of ten megabytes passes byte for byte', async () => {
    const body = `{"model":"openai","messages":[{"role":"user","content":"${'0123456789é'.repeat(900_000)}"}]}`
    assert.equal((await chat(body)).status, 200)
    assert.ok(provider.one().body.equals(Buffer.from(body.replace('"openai"', '"openai/real"'))))
  })

  test('goes below the path of baseUrl, without the caller’s query', async () => {
    for (const endpoint of endpoints) await call(endpoint, `${endpoint.format}-base`)
    await ask(`${gateway.url}/v1/messages?beta=true&x=1`, {
      body: endpoints[2].body('anthropic-base'),
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
    })
    assert.deepEqual(
      provider.requests.map(({ method, path }) => `${method} ${path}`),
      [
        'POST /behind/a/path/v1/chat/completions',
        'POST /behind/a/path/v1/responses',
        'POST /behind/a/path/v1/messages',
        'POST /behind/a/path/v1beta/models/gemini%2Freal:streamGenerateContent?alt=sse',
        'POST /behind/a/path/v1/messages',
      ],
    )
  })
})

describe('headers on their way up', () => {
  const carriers = {
    authorization: (value: string) => `Bearer ${value}`,
    'x-api-key': String,
    'api-key': String,
    'x-goog-api-key': String,
    'x-ostiary-key': String,
  }
  const operators = { openai: 'authorization', anthropic: 'x-api-key', gemini: 'x-goog-api-key' }

  for (const endpoint of endpoints) {
    test(`${endpoint.name}: the caller’s credential stays here, whichever header carries it`, async () => {
      for (const [carrier, write] of Object.entries(carriers)) {
        const { status } = await ask(gateway.url + endpoint.path(endpoint.format), {
          body: endpoint.body(endpoint.format),
          headers: { [carrier]: write(key), 'content-type': 'application/json' },
        })
        assert.equal(status, 200, carrier)
        const { rawHeaders, headers } = provider.one()
        assert.ok(!rawHeaders.some(text => text.includes(key)), carrier)
        for (const name of Object.keys(carriers)) {
          const sent = headers[name]
          if (name !== operators[endpoint.format]) assert.equal(sent, undefined, `${carrier} → ${name}`)
          else assert.equal(sent, name === 'authorization' ? `Bearer ${OPERATOR_KEY}` : OPERATOR_KEY)
        }
      }
    })
  }

  const sent = {
    'openai-beta': 'assistants=v2',
    'openai-organization': 'org-of-the-caller',
    'openai-project': 'proj-of-the-caller',
    'anthropic-version': '2023-06-01',
    'anthropic-beta': 'context-1m',
    'x-goog-api-client': 'genai/1',
    'x-goog-user-project': 'project-of-the-caller',
    accept: 'text/event-stream',
    'accept-encoding': 'gzip, br',
    'user-agent': 'caller/1',
    cookie: 'session=1',
    referer: 'https://caller.example/',
    origin: 'https://caller.example',
    'x-forwarded-for': '203.0.113.9',
    'x-ostiary-sandbox': 'fail=error',
    'x-ostiary-subject': 'somebody',
    'x-request-id': 'id-of-the-caller',
    'proxy-authorization': 'Basic eDp5',
    te: 'trailers',
    'x-anything': '1',
  }
  const own = {
    'content-type': 'application/json',
    accept: 'text/event-stream',
    'accept-encoding': 'identity',
    'user-agent': 'ostiary',
  }
  const passed: Record<string, Record<string, string>> = {
    openai: { 'openai-beta': 'assistants=v2' },
    anthropic: { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'context-1m' },
    gemini: { 'x-goog-api-client': 'genai/1' },
  }
  for (const endpoint of endpoints) {
    test(`${endpoint.name}: the format’s own pass and all others stay here`, async () => {
      assert.equal((await call(endpoint, endpoint.format, sent)).status, 200)
      const { headers } = provider.one()
      const { host, connection, 'content-length': length, [operators[endpoint.format]]: credential, ...rest } = headers
      assert.ok(host && connection && length && credential)
      assert.equal(host, provider.url.slice('http://'.length))
      assert.deepEqual(rest, { ...own, ...passed[endpoint.format] })
    })
  }
})

describe('headers on their way down', () => {
  const dangerous = {
    'set-cookie': ['a=1', 'b=2'],
    'strict-transport-security': 'max-age=1',
    'clear-site-data': '"*"',
    'service-worker-allowed': '/',
    'access-control-allow-origin': '*',
    'alt-svc': 'h3=":443"',
    'www-authenticate': 'Basic realm="provider"',
    server: 'provider',
    via: '1.1 provider',
    'x-request-id': 'req-of-the-provider',
    'request-id': 'req-of-the-provider',
    'openai-organization': 'org-of-the-operator',
    'openai-project': 'proj-of-the-operator',
    'anthropic-organization-id': 'org-of-the-operator',
    'ratelimit-remaining': '9',
    'x-ratelimit-remaining-requests': '9',
    'x-ratelimit-limit-tokens': '10',
    'anthropic-ratelimit-requests-remaining': '9',
    'x-ostiary-overhead-ms': '-1',
    'x-ostiary-subject': 'somebody',
  }
  const useful = {
    'openai-processing-ms': '5',
    'openai-version': '2020-10-01',
    'x-should-retry': 'true',
    'content-language': 'en',
  }

  for (const endpoint of endpoints) {
    test(`${endpoint.name}: what is the operator’s or dangerous stays here`, async () => {
      provider.answer = (_request, res) => sendJson(res, 200, { ok: true }, { ...dangerous, ...useful })
      const { status, headers, text } = await call(endpoint)
      assert.equal(status, 200)
      assert.equal(text, '{"ok":true}')
      const { date, connection, 'x-request-id': id, 'request-id': idToo, ...rest } = headers
      const { 'keep-alive': _k, 'transfer-encoding': _t, 'content-length': _l, ...others } = rest
      assert.ok(date && connection)
      assert.match(String(id), /^req_[0-9a-z]{26}$/)
      assert.equal(idToo, endpoint.format === 'anthropic' ? id : undefined)
      const { 'x-ostiary-overhead-ms': overhead, ...passed } = others
      assert.match(String(overhead), /^\d+\.\d\d$/)
      assert.deepEqual(passed, { 'content-type': 'application/json', ...useful })
    })
  }

  test('a header that the provider’s `connection` names is of the hop and stays here', async () => {
    provider.answer = (_request, res) => sendJson(res, 200, {}, { connection: 'close, x-hop', 'x-hop': '1' })
    assert.equal((await call(endpoints[0])).headers['x-hop'], undefined)
  })

  test('of an event stream say once that it must not be stored', async () => {
    provider.answer = (_request, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache, max-age=9' })
      res.end('data: 1\n\n')
    }
    const { headers, rawHeaders } = await call(endpoints[0])
    assert.equal(headers['cache-control'], 'no-store')
    assert.equal(rawHeaders.filter(name => name.toLowerCase() === 'cache-control').length, 1)
    assert.equal(headers['content-encoding'], undefined)
  })

  test('that are not ASCII pass or go, but the answer arrives', async () => {
    provider.answer = ({ socket }) => {
      const headers = 'content-type: application/json\r\nx-note: naïve → ☃\r\ncontent-length: 2\r\nconnection: close'
      socket.end(`HTTP/1.1 200 OK\r\n${headers}\r\n\r\n{}`)
    }
    const reply = await call(endpoints[0])
    assert.equal(reply.status, 200)
    assert.equal(reply.text, '{}')
  })
})

describe('ids and times', () => {
  test('the caller’s id is recorded beside the gateway’s own, if it is well-formed', async () => {
    for (const [sent, recorded] of [
      ['order-4711/a', 'order-4711/a'],
      ['x'.repeat(128), 'x'.repeat(128)],
      ['x'.repeat(129), null],
      ['two words', null],
    ] as const) {
      const reply = await call(endpoints[0], 'openai', { 'x-request-id': sent })
      assert.match(idOf(reply), /^req_[0-9a-z]{26}$/)
      assert.equal((await gateway.event(idOf(reply))).callerRequestId, recorded)
    }
  })

  test('the gateway’s own time is told on answers of a provider and on no refusal', async () => {
    provider.answer = async (_request, res) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      setTimeout(resolve, 300)
      await promise
      sendJson(res, 400, {})
    }
    const answered = await call(endpoints[0])
    assert.equal(answered.status, 400)
    // Not the provider's time.
    assert.ok(
      Number(answered.headers['x-ostiary-overhead-ms']) < 250,
      String(answered.headers['x-ostiary-overhead-ms']),
    )
    for (const refused of [
      await call(endpoints[0], 'openai', { authorization: 'Bearer wrong' }),
      await call(endpoints[0], 'nowhere'),
      await call(endpoints[0], 'openai-gone'),
    ]) {
      assert.ok(refused.status >= 400)
      assert.equal(refused.headers['x-ostiary-overhead-ms'], undefined)
      assert.equal(refused.headers['x-ostiary-upstream-status'], undefined)
    }
  })
})

describe('errors of the provider', () => {
  for (const status of [400, 401, 403, 404, 409, 422, 429, 500, 503, 529]) {
    test(`${status} passes unchanged, with its status beside`, async () => {
      const body = `{ "error" : {"message":"As the provider says: é", "n":1.0}}\n`
      provider.answer = (_request, res) => {
        res.writeHead(status, { 'content-type': 'application/json', 'retry-after': '3' })
        res.end(body)
      }
      const check = async (endpoint: Endpoint) => {
        const reply = await call(endpoint)
        assert.equal(reply.status, status)
        assert.equal(reply.text, body)
        assert.equal(reply.headers['retry-after'], '3')
        assert.equal(reply.headers['x-ostiary-upstream-status'], String(status))
        const event = await gateway.event(idOf(reply))
        assert.equal(event.status, status)
        assert.equal(event.upstreamStatus, status)
      }
      await Promise.all(endpoints.map(check))
    })
  }

  for (const status of [301, 302, 303, 307, 308]) {
    test(`a redirect (${status}) is followed by nobody`, async () => {
      provider.answer = (_request, res) => {
        res.writeHead(status, { location: `${provider.url}/elsewhere`, 'content-type': 'text/plain' })
        res.end('elsewhere')
      }
      const reply = await call(endpoints[0])
      assert.equal(reply.status, 502)
      assert.equal(reply.headers.location, undefined)
      assert.doesNotMatch(reply.text, /elsewhere/)
      assert.equal(provider.one().path, '/v1/chat/completions')
      const event = await gateway.event(idOf(reply))
      assert.equal(event.problem, 'upstream.broken')
      assert.equal(event.reason, 'redirect')
    })
  }

  const failures: Record<string, { status: number; code: string; model?: string; answer: Provider['answer'] }> = {
    'a slow head': { status: 504, code: 'upstream.timeout', model: '-hurried', answer: () => {} },
    'nobody listening': { status: 502, code: 'upstream.unreachable', model: '-gone', answer: () => {} },
    garbage: {
      status: 502,
      code: 'upstream.broken',
      answer: ({ socket }) => void socket.end('SSH-2.0-OpenSSH_9.9\r\n\r\n\u0000\u0001'),
    },
    'a reset before the head': {
      status: 502,
      code: 'upstream.broken',
      answer: ({ socket }) => void socket.resetAndDestroy(),
    },
    'an end before the head': { status: 502, code: 'upstream.broken', answer: ({ socket }) => void socket.end() },
    'half a head': {
      status: 502,
      code: 'upstream.broken',
      answer: ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\ncontent-type: appl'),
    },
    'a giant head': {
      status: 502,
      code: 'upstream.broken',
      answer: ({ socket }) => void socket.end(`HTTP/1.1 200 OK\r\nx-big: ${'x'.repeat(200_000)}\r\n\r\n`),
    },
  }
  for (const [name, { status, code, model = '', answer }] of Object.entries(failures)) {
    test(`${name} is ${status} in the route’s format, with one event`, async () => {
      provider.answer = answer
      const check = async (endpoint: Endpoint) => {
        const reply = await call(endpoint, endpoint.format + model)
        assert.equal(reply.status, status, reply.text)
        assert.equal(reply.headers['content-type'], 'application/json')
        const body = JSON.parse(reply.text)
        if (endpoint.format === 'openai') assert.deepEqual([body.error.type, body.error.code], ['server_error', code])
        else if (endpoint.format === 'anthropic') {
          assert.equal(body.error.type, status === 504 ? 'timeout_error' : 'api_error')
          assert.equal(body.request_id, idOf(reply))
        } else assert.equal(body.error.code, status)
        // What exactly went wrong is the operator's to know.
        assert.doesNotMatch(reply.text, /ECONN|HPE|UND_ERR|127\.0\.0\.1|OpenSSH/)
        const event = await gateway.event(idOf(reply))
        assert.equal(event.outcome, 'upstream_failed')
        assert.equal(event.problem, code)
        assert.ok(event.reason)
        assert.equal(event.upstreamStatus, null)
        assert.equal((await gateway.events()).filter(({ id }) => id === event.id).length, 1)
      }
      await Promise.all(endpoints.map(check))
    })
  }
})

describe('an answer that breaks off', () => {
  const eventOf = (endpoint: Endpoint, n: number) => `data: {"n":${n}}${endpoint.lineEnd}${endpoint.lineEnd}`

  /** What follows the events, read as the format's error event. */
  const readError = (endpoint: Endpoint, text: string) => {
    const lines = text.split(endpoint.lineEnd)
    if (endpoint.format === 'anthropic') assert.equal(lines.shift(), 'event: error')
    const data = lines.shift() ?? ''
    assert.ok(data.startsWith('data: '), text)
    assert.deepEqual(lines, ['', ''])
    return endpoint.errorOf(JSON.parse(data.slice('data: '.length)))
  }

  for (const endpoint of endpoints) {
    const two = eventOf(endpoint, 1) + eventOf(endpoint, 2)

    for (const [name, part] of Object.entries({ 'between two events': '', 'within an event': 'data: {"n":' })) {
      test(`${endpoint.name}: ${name} of a stream, ends with the format’s own error event`, async () => {
        provider.answer = async ({ socket }, res) => {
          res.writeHead(200, { 'content-type': 'text/event-stream' })
          await new Promise(resolve => res.write(two + part, resolve))
          socket.resetAndDestroy()
        }
        const reply = await call(endpoint)
        assert.equal(reply.status, 200)
        assert.ok(reply.whole)
        assert.ok(reply.text.startsWith(two))
        assert.equal(readError(endpoint, reply.text.slice(two.length)), 'upstream.broken')
        const event = await gateway.event(idOf(reply))
        assert.equal(event.outcome, 'upstream_failed')
        assert.equal(event.problem, 'upstream.broken')
        assert.equal(event.status, 200)
      })
    }

    test(`${endpoint.name}: a stream that falls silent ends with the format’s own error event`, async () => {
      provider.answer = (_request, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        res.write(two)
      }
      const reply = await call(endpoint, `${endpoint.format}-hurried`)
      assert.ok(reply.text.startsWith(two))
      assert.equal(readError(endpoint, reply.text.slice(two.length)), 'upstream.timeout')
      await provider.one().closed
    })

    test(`${endpoint.name}: a stream of declared length that breaks off neither hangs nor looks whole`, async () => {
      provider.answer = async ({ socket }, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream', 'content-length': '5000' })
        await new Promise(resolve => res.write(two, resolve))
        socket.resetAndDestroy()
      }
      // On a connection that stays open, bytes that never come are waited for.
      const agent = new Agent({ keepAlive: true })
      const answer = call(endpoint, endpoint.format, {}, agent)
      const reply = await Promise.race([answer, until<Reply>('the answer’s end', () => undefined, 3000)])
      agent.destroy()
      if (reply.whole) assert.equal(readError(endpoint, reply.text.slice(two.length)), 'upstream.broken')
    })

    test(`${endpoint.name}: a JSON answer breaks the caller’s connection too`, async () => {
      for (const headers of [{ 'content-length': '1000' }, { 'transfer-encoding': 'chunked' }]) {
        provider.answer = async ({ socket }, res) => {
          res.writeHead(200, { 'content-type': 'application/json', ...headers })
          await new Promise(resolve => res.write('{"a":1}', resolve))
          await new Promise(resolve => setImmediate(resolve))
          socket.resetAndDestroy()
        }
        const reply = await call(endpoint).catch(() => null)
        assert.ok(reply === null || !reply.whole, JSON.stringify(reply))
      }
    })
  }

  test('an event longer than is held back breaks the caller’s connection', async () => {
    const text = `data: 1\n\ndata: ${'x'.repeat(200_000)}`
    let seen = ''
    provider.answer = async ({ socket }, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write(text)
      await until('more than is held back', () => seen.length > 100_000)
      socket.resetAndDestroy()
    }
    const res = await open(endpoints[0], piece => {
      seen += piece
    })
    await assert.rejects(once(res, 'end'))
    assert.ok(!res.complete)
    assert.ok(text.startsWith(seen))
  })

  test('a Gemini stream that is an array breaks the caller’s connection', async () => {
    provider.answer = async ({ socket, path }, res) => {
      assert.doesNotMatch(path, /alt=/)
      res.writeHead(200, { 'content-type': 'application/json' })
      await new Promise(resolve => res.write('[{"n":1}', resolve))
      socket.resetAndDestroy()
    }
    const url = `${gateway.url}/v1beta/models/gemini:streamGenerateContent`
    const headers = { 'x-goog-api-key': key, 'content-type': 'application/json' }
    const reply = await ask(url, { body: '{"contents":[]}', headers }).catch(() => null)
    assert.ok(reply === null || !reply.whole)
  })

  test('is raised by the official SDKs', async () => {
    const messages = [{ role: 'user' as const, content: 'Hello' }]
    const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 })
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: key, maxRetries: 0 })
    const google = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: gateway.url, apiVersion: 'v1beta' } })
    const first = {
      '/v1/chat/completions':
        'data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
      '/v1/responses': 'event: response.created\ndata: {"type":"response.created","response":{"output":[]}}\n\n',
      '/v1/messages':
        'event: message_start\ndata: {"type":"message_start","message":{"role":"assistant","content":[],"usage":{}}}\n\n',
    }
    provider.answer = async ({ socket, path }, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      const event = first[path as keyof typeof first] ?? 'data: {"candidates":[]}\r\n\r\n'
      await new Promise(resolve => res.write(event, resolve))
      socket.resetAndDestroy()
    }
    const streams: (() => Promise<AsyncIterable<unknown>>)[] = [
      () => openai.chat.completions.create({ model: 'openai', messages, stream: true }),
      () => openai.responses.create({ model: 'openai', input: 'Hello', stream: true }),
      () => anthropic.messages.create({ model: 'anthropic', max_tokens: 9, messages, stream: true }),
      () => google.models.generateContentStream({ model: 'gemini', contents: 'Hello' }),
    ]
    for (const open of streams) {
      const seen: unknown[] = []
      await assert.rejects(async () => {
        for await (const item of await open()) seen.push(item)
      }, /broke off/)
      assert.equal(seen.length, 1)
    }
  })
})

describe('streams', () => {
  for (const endpoint of endpoints) {
    test(`${endpoint.name}: the head is there before the first event, and each event before the next is sent`, {
      timeout: 10_000,
    }, async () => {
      const head = Promise.withResolvers<void>()
      const seen: string[] = []
      const events = Array.from({ length: 30 }, (_, n) => `data: {"n":${n}}${endpoint.lineEnd.repeat(2)}`)
      provider.answer = async (_request, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        res.flushHeaders()
        await head.promise
        for (const [n, event] of events.entries()) {
          // In two pieces every other time: half an event is held, a whole one never.
          if (n % 2 === 1) res.write(event.slice(0, 4))
          res.write(n % 2 === 1 ? event.slice(4) : event)
          await until(`event ${n}`, () => seen.join('') === events.slice(0, n + 1).join(''))
        }
        res.end()
      }
      const res = await open(endpoint, text => seen.push(text))
      assert.equal(res.statusCode, 200)
      head.resolve()
      await once(res, 'end')
      assert.equal(seen.join(''), events.join(''))
    })
  }

  test('a caller that reads nothing stops the provider, memory stays bounded, and all arrives once it reads', async () => {
    const block = Buffer.alloc(64 * 1024, 'x')
    block.write('data: ')
    block.write('\n\n', block.length - 2)
    const total = 3200 // 200 MB
    let sent = 0
    provider.answer = async (_request, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      for (; sent < total; sent++) if (!res.write(block)) await once(res, 'drain')
      res.end()
    }
    const { hostname, port } = new URL(gateway.url)
    const socket = connect(Number(port), hostname)
    const body = endpoints[0].body('openai')
    const before = process.memoryUsage.rss()
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nConnection: close\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    let last = -1
    let unchanged = 0
    await until('the provider to be stopped', () => {
      unchanged = sent > 0 && sent === last ? unchanged + 1 : 0
      last = sent
      return unchanged === 30
    })
    // What the kernel and the four sockets' buffers hold.
    assert.ok(sent < total / 4, `${sent} of ${total} blocks were sent to a caller that reads nothing`)
    const growth = (process.memoryUsage.rss() - before) / 2 ** 20
    assert.ok(growth < 64, `the process grew by ${growth.toFixed()} MB`)
    let received = 0
    socket.on('data', chunk => {
      received += chunk.length
    })
    await once(socket, 'close')
    assert.equal(sent, total)
    assert.ok(received > total * block.length, `${received} bytes arrived`)
    const after = (process.memoryUsage.rss() - before) / 2 ** 20
    assert.ok(after < 160, `the process grew by ${after.toFixed()} MB`)
  })

  test('a caller that never reads again is cut after requests.timeoutMs, and the provider with it', async () => {
    provider.answer = (_request, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      const write = () => {
        while (!res.destroyed && res.write(`data: ${'x'.repeat(60_000)}\n\n`));
      }
      res.on('drain', write)
      write()
    }
    const { hostname, port } = new URL(gateway.url)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    const body = endpoints[0].body('openai')
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nX-Request-Id: never-reads\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    const { closed } = await until('the request', () => provider.requests[0])
    await closed
    const event = await until('the event', async () =>
      (await gateway.events()).find(({ callerRequestId }) => callerRequestId === 'never-reads'),
    )
    assert.equal(event.outcome, 'caller_hung_up')
    socket.destroy()
  })
})

describe('a gateway that stops', () => {
  test('lets a stream end that has begun', async () => {
    const more = Promise.withResolvers<void>()
    await using own = await startProvider(async (_request, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write('data: 1\n\n')
      await more.promise
      res.end('data: 2\n\n')
    })
    const stopping = await startGateway({
      ...configFor(own),
      env: { KEY: OPERATOR_KEY, OSTIARY_DRAIN_TIMEOUT_MS: '20000' },
    })
    let seen = ''
    const onData = (text: string) => {
      seen += text
    }
    const res = await open(endpoints[0], onData, 'gpt', stopping, await stopping.liveKey())
    await until('the first event', () => seen === 'data: 1\n\n')
    const stopped = stopping[Symbol.asyncDispose]()
    await until('the listener to be closed', () =>
      ask(stopping.url).then(
        () => false,
        () => true,
      ),
    )
    more.resolve()
    await once(res, 'end')
    assert.equal(seen, 'data: 1\n\ndata: 2\n\n')
    await stopped
  })

  test('cuts a call that does not end after drainTimeoutMs, records it, and is gone', async () => {
    await using own = await startProvider()
    const folder = await mkdtemp(join(tmpdir(), 'ostiary-drain-'))
    const config = { ...configFor(own), folder }
    const stopping = await startGateway({ ...config, env: { ...config.env, OSTIARY_DRAIN_TIMEOUT_MS: '200' } })
    const key = await stopping.liveKey()
    const { workers } = stopping.ostiary.supervisor
    const cut = ask(`${stopping.url}/v1/chat/completions`, {
      body: endpoints[0].body('gpt'),
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-request-id': 'is-cut' },
    }).then(
      () => false,
      () => true,
    )
    const { closed } = await until('the call at the provider', () => own.requests[0])
    let gone = false
    const stopped = stopping[Symbol.asyncDispose]().then(() => {
      gone = true
    })
    assert.ok(await cut)
    await closed
    try {
      await until('the gateway to be gone', () => gone, 3000)
    } finally {
      // A worker that does not end would keep this process.
      for (const worker of workers) await worker.terminate()
      await stopped
    }
    await using again = await startGateway(config)
    const event = (await again.events()).find(({ callerRequestId }) => callerRequestId === 'is-cut')
    assert.equal(event?.outcome, 'failed')
    await rm(folder, { recursive: true })
  })
})

test('no worker died of any of this', async () => {
  assert.deepEqual(await gateway.ostiary.store.events.list({ limit: 10, type: 'worker.replaced' }), [])
})
