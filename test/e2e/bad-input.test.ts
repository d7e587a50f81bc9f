import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, afterEach, before, describe, test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import type { CallOutcome } from '#core/events.ts'
import { createKeyFormat } from '#keys/format.ts'
import { type Gateway, startGateway, until } from '../support/gateway.ts'
import { configFor, type Provider, sendJson, startProvider } from '../support/provider.ts'

const MAX_BODY = 64 * 1024
const MAX_DEPTH = 16

let provider: Provider
let gateway: Gateway
/** Keys by what they are. */
const keys = { live: '', test: '', expired: '', revoked: '', unknown: '', madeUp: '' }
const ids = { live: '', expired: '', revoked: '' }

before(async () => {
  provider = await startProvider((_request, res) => sendJson(res, 200, { ok: true }))
  const limits = { OSTIARY_REQUESTS_MAX_BODY_BYTES: `${MAX_BODY}`, OSTIARY_REQUESTS_MAX_JSON_DEPTH: `${MAX_DEPTH}` }
  const config = configFor(provider)
  gateway = await startGateway({ yaml: config.yaml, env: { ...config.env, ...limits } })
  const { keys: own, dataDirectory } = gateway.ostiary
  const mint = async (name: 'live' | 'expired' | 'revoked', lifetimeMs?: number) => {
    const { record, secret } = await own.mint({ name, environment: 'live', lifetimeMs }, internalActor('test'))
    keys[name] = secret.reveal()
    ids[name] = record.id
  }
  await mint('live')
  await mint('expired', 1)
  await mint('revoked')
  await own.revoke(ids.revoked, internalActor('test'))
  keys.test = gateway.testKey
  keys.unknown = createKeyFormat('sk', dataDirectory.deploymentSecret).make('live')
  keys.madeUp = createKeyFormat('sk', randomBytes(32)).make('live')
})

after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await provider?.[Symbol.asyncDispose]()
})

/** One answer to raw bytes. */
interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** How many answers came on the connection. */
  readonly count: number
}

/** Sends bytes as they are on a connection of its own and reads until it ends. */
async function send(bytes: string | Buffer, then?: (socket: Socket) => void): Promise<Answer> {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk))
  socket.on('error', () => {})
  socket.on('end', () => socket.end())
  socket.write(bytes)
  then?.(socket)
  const timer = setTimeout(() => socket.destroy(), 8000)
  await once(socket, 'close')
  clearTimeout(timer)
  const text = Buffer.concat(chunks).toString()
  const count = text.split('HTTP/1.1 ').length - 1
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [start = '', ...lines] = head.split('\r\n')
  const headers = Object.fromEntries(
    lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  )
  const length = headers['content-length']
  const body = rest.join('\r\n\r\n')
  return {
    status: Number(start.split(' ')[1] ?? 0),
    headers,
    body: body.slice(0, Number(length ?? body.length)),
    count,
  }
}

type Format = 'openai' | 'anthropic' | 'gemini' | 'problem+json'

interface Request {
  readonly method?: string
  readonly path: string
  /** Carried as a bearer; null = none. */
  readonly key?: string | null
  readonly headers?: readonly string[]
  readonly body?: string | Buffer
}

function write({ method = 'POST', path, key = keys.live, headers = [], body = '' }: Request): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: gateway', ...headers]
  const says = (name: string) => headers.some(line => line.toLowerCase().startsWith(`${name}:`))
  if (!says('connection')) lines.push('Connection: close')
  if (key !== null) lines.push(`Authorization: Bearer ${key}`)
  if (!says('content-length') && !says('transfer-encoding')) lines.push(`Content-Length: ${Buffer.byteLength(body)}`)
  if (!says('content-type') && body.length > 0) lines.push('Content-Type: application/json')
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), Buffer.from(body)])
}

/** What every call of this file must have left behind, checked at the end. */
interface Trace {
  readonly id: string
  readonly known: boolean
  readonly problem: string | null
  readonly reason: string | null
  readonly route?: string | null
  readonly credential?: string | null
  readonly outcome: CallOutcome
  readonly status: number
}
const traces: Trace[] = []

interface Expected {
  readonly format: Format
  readonly status: number
  readonly code: string
  readonly reason?: string
  /** Whether the caller was authenticated. */
  readonly known?: boolean
  readonly credential?: string
}

const CHALLENGES: Record<string, string> = {
  'auth.missing_credential': 'Bearer realm="ostiary"',
  'auth.invalid_credential':
    'Bearer realm="ostiary", error="invalid_token", error_description="The credential is not valid"',
}
const OPENAI_CODES: Record<string, string> = {
  'auth.invalid_credential': 'invalid_api_key',
  'model.not_found': 'model_not_found',
}
const TYPES: Record<number, readonly [string, string, string]> = {
  400: ['invalid_request_error', 'invalid_request_error', 'INVALID_ARGUMENT'],
  401: ['authentication_error', 'authentication_error', 'UNAUTHENTICATED'],
  403: ['permission_error', 'permission_error', 'PERMISSION_DENIED'],
  404: ['invalid_request_error', 'not_found_error', 'NOT_FOUND'],
  405: ['invalid_request_error', 'invalid_request_error', 'INVALID_ARGUMENT'],
  413: ['invalid_request_error', 'request_too_large', 'INVALID_ARGUMENT'],
  415: ['invalid_request_error', 'invalid_request_error', 'INVALID_ARGUMENT'],
}

/** A refusal in the dialect of its route, whose trace is remembered. */
function assertRefused(answer: Answer, expected: Expected): void {
  const { status, code, format, known = true } = expected
  assert.equal(answer.status, status, answer.body)
  const id = answer.headers['x-request-id'] ?? ''
  assert.match(id, /^req_[0-9a-z]{26}$/)
  assert.equal(answer.headers['request-id'], format === 'anthropic' ? id : undefined)
  assert.equal(answer.headers['cache-control'], 'no-store')
  assert.equal(answer.headers['www-authenticate'], status === 401 ? CHALLENGES[code] : undefined)
  assert.equal(answer.headers['x-ostiary-overhead-ms'], undefined)
  assert.equal(
    answer.headers['content-type'],
    format === 'problem+json' ? 'application/problem+json' : 'application/json',
  )
  const body = JSON.parse(answer.body)
  const [openaiType, anthropicType, geminiStatus] = TYPES[status] as (typeof TYPES)[number]
  if (format === 'problem+json') {
    const { title, detail, ...rest } = body
    assert.deepEqual(rest, { type: `urn:ostiary:problem:${code}`, status, code, request_id: id })
    assert.ok(title && detail !== '')
  } else if (format === 'openai') {
    const { message, ...error } = body.error
    assert.deepEqual(error, { type: openaiType, param: null, code: OPENAI_CODES[code] ?? code })
    assert.ok(message)
  } else if (format === 'anthropic') {
    const { message, ...error } = body.error
    assert.deepEqual({ ...body, error }, { type: 'error', error: { type: anthropicType }, request_id: id })
    assert.ok(message)
  } else {
    assert.equal(body.error.code, status)
    assert.equal(body.error.status, geminiStatus)
    assert.equal(body.error.details[0].reason, code.toUpperCase().replace('.', '_'))
    assert.equal(body.error.details[0].metadata.request_id, id)
  }
  for (const secret of Object.values(keys)) assert.ok(!JSON.stringify(answer).includes(secret))
  const { reason = null, credential } = expected
  traces.push({ id, known, problem: code, reason, outcome: 'refused', status, ...(credential && { credential }) })
}

async function refuses(request: Request, expected: Expected): Promise<Answer> {
  const answer = await send(write(request))
  assertRefused(answer, expected)
  assert.equal(answer.count, 1)
  return answer
}

/** One request that would be served, in each dialect. */
const good = {
  openai: { path: '/v1/chat/completions', body: '{"model":"gpt","messages":[]}' },
  anthropic: { path: '/v1/messages', body: '{"model":"claude","messages":[]}' },
  gemini: { path: '/v1beta/models/gem:generateContent', body: '{"contents":[]}' },
} as const
const dialects = Object.keys(good) as (keyof typeof good)[]

async function serves(request: Request): Promise<void> {
  const { status, headers, body } = await send(write(request))
  assert.equal(status, 200, body)
  const id = headers['x-request-id'] ?? ''
  traces.push({ id, known: true, problem: null, reason: null, outcome: 'completed', status })
}

afterEach(async () => {
  // Whatever was sent: the next caller is served.
  await serves({ method: 'GET', path: '/v1/models' })
})

describe('credentials', () => {
  const everywhere: readonly (readonly [Format, string, string])[] = [
    ...dialects.map(format => [format, good[format].path, good[format].body] as const),
    ['problem+json', '/nowhere', ''],
  ]

  for (const [format, path, body] of everywhere) {
    const refusesKey = (key: () => string, reason: string, credential?: () => string) => async () => {
      const code = 'auth.invalid_credential'
      const expected = { format, status: 401, code, reason, known: false }
      await refuses({ path, body, key: key() }, credential ? { ...expected, credential: credential() } : expected)
    }

    describe(`at ${path}`, () => {
      test('none, or one of another scheme', async () => {
        const expected = { format, status: 401, code: 'auth.missing_credential', known: false }
        await refuses({ path, body, key: null }, expected)
        for (const header of ['Basic eDp5', 'Bearer', 'Bearer ', 'Digest username="x"', 'Bearer two words']) {
          await refuses({ path, body, key: null, headers: [`Authorization: ${header}`] }, expected)
        }
        await refuses({ path, body, key: null, headers: ['X-Api-Key: '] }, expected)
        await refuses({ path, body, key: null, headers: [`X_Api_Key: ${keys.live}`] }, expected)
      })
      test(
        'garbage',
        refusesKey(() => 'nonsense', 'shape'),
      )
      test(
        'garbage of great length',
        refusesKey(() => `sk_live_${'x'.repeat(9000)}`, 'shape'),
      )
      test(
        'a key with a letter changed',
        refusesKey(() => keys.live.replace(/.$/, at => (at === 'A' ? 'B' : 'A')), 'checksum'),
      )
      test(
        'a made-up key',
        refusesKey(() => keys.madeUp, 'tag'),
      )
      test(
        'a key that was never stored',
        refusesKey(() => keys.unknown, 'unknown'),
      )
      test(
        'an expired key',
        refusesKey(
          () => keys.expired,
          'expired',
          () => ids.expired,
        ),
      )
      test(
        'a revoked key',
        refusesKey(
          () => keys.revoked,
          'revoked',
          () => ids.revoked,
        ),
      )

      test('two different ones, good or bad, in whatever order', async () => {
        const expected = { format, status: 400, code: 'auth.multiple_credentials', known: false }
        for (const other of [keys.test, 'nonsense', keys.expired]) {
          await refuses({ path, body, headers: [`X-Api-Key: ${other}`] }, expected)
          await refuses({ path, body, key: other, headers: [`X-Goog-Api-Key: ${keys.live}`] }, expected)
          await refuses({ path, body, headers: [`Authorization: Bearer ${other}`] }, expected)
          await refuses({ path, body, key: null, headers: [`Api-Key: ${keys.live}`, `Api-Key: ${other}`] }, expected)
        }
      })

      test('one in the query', async () => {
        for (const name of ['key', 'api_key', 'API-KEY', 'access_token', 'token', '%6bey']) {
          const expected = { format, status: 400, code: 'auth.credential_in_query', known: false }
          await refuses({ path: `${path}?x=1&${name}=${keys.live}`, body }, expected)
          await refuses({ path: `${path}?${name}=${keys.live}`, body, key: null }, expected)
        }
      })
    })
  }

  for (const format of dialects) {
    test(`the same one twice is one (${format})`, async () => {
      const { path, body } = good[format]
      await serves({ path, body, headers: [`X-Api-Key: ${keys.live}`, `X-Goog-Api-Key: ${keys.live}`] })
      await serves({ path, body, headers: [`Authorization: Bearer ${keys.live}`] })
    })
  }

  test('answers do not tell unknown, expired, revoked and made-up keys apart', async () => {
    for (const [format, path, body] of everywhere) {
      const answers = []
      for (const [key, reason] of [
        [keys.unknown, 'unknown'],
        [keys.expired, 'expired'],
        [keys.revoked, 'revoked'],
        [keys.madeUp, 'tag'],
        ['nonsense', 'shape'],
      ] as const) {
        const expected = { format, status: 401, code: 'auth.invalid_credential', reason, known: false }
        const own = reason === 'expired' || reason === 'revoked' ? { credential: ids[reason] } : {}
        const answer = await refuses({ path, body, key }, { ...expected, ...own })
        const { date: _, 'x-request-id': id = '', ...headers } = answer.headers
        answers.push(JSON.stringify({ headers, body: answer.body }).replaceAll(id, 'ID'))
      }
      assert.equal(new Set(answers).size, 1, answers.join('\n'))
    }
  })
})

describe('routes', () => {
  const cases: readonly (readonly [Format, string, string, string])[] = [
    ['openai', 'GET', '/v1/chat/completions', 'POST'],
    ['openai', 'PUT', '/v1/responses', 'POST'],
    ['openai', 'OPTIONS', '/v1/embeddings', 'POST'],
    ['openai', 'POST', '/v1/models', 'GET'],
    ['openai', 'DELETE', '/v1/models/gpt', 'GET'],
    ['anthropic', 'GET', '/v1/messages', 'POST'],
    ['anthropic', 'PATCH', '/anthropic/v1/messages', 'POST'],
    ['gemini', 'GET', '/v1beta/models/gem:generateContent', 'POST'],
    ['gemini', 'POST', '/v1beta/models', 'GET'],
  ]
  for (const [format, method, path, allow] of cases) {
    test(`${method} ${path} names the methods that are allowed, to those who may know`, async () => {
      const answer = await refuses({ method, path }, { format, status: 405, code: 'route.method_not_allowed' })
      assert.equal(answer.headers.allow, allow)
      const expected = { format, status: 401, code: 'auth.missing_credential', known: false }
      const stranger = await refuses({ method, path, key: null }, expected)
      assert.equal(stranger.headers.allow, undefined)
    })
  }

  for (const [format, path] of [
    ['openai', '/v1/nowhere'],
    ['openai', '/v1/chat'],
    ['anthropic', '/anthropic/v1/nowhere'],
    ['anthropic', '/v1/messages/nowhere'],
    ['gemini', '/v1beta/nowhere'],
    ['problem+json', '/nowhere'],
    ['problem+json', '/'],
    ['problem+json', '/V1/chat/completions'],
    ['problem+json', '/healthz'],
    ['problem+json', '/metrics'],
  ] as const) {
    test(`${path} is 401 to a stranger and 404 to a caller`, async () => {
      const expected = { format, status: 401, code: 'auth.missing_credential', known: false }
      await refuses({ method: 'GET', path, key: null }, expected)
      await refuses({ method: 'GET', path }, { format, status: 404, code: 'route.not_found' })
    })
  }

  for (const path of [
    'http://gateway/v1/chat/completions',
    'http://evil.example/v1/chat/completions',
    '//v1/chat/completions',
    '/v1//chat/completions',
    '/v1/chat/completions/',
    '/v1/./chat/completions',
    '/v1/x/../chat/completions',
    '/v1/%2e/chat/completions',
    '/v1/x/%2E%2e/chat/completions',
    '/v1/..;/v1/chat/completions',
    '/v1%2fchat/completions',
    '/v1/chat%2Fcompletions',
    '/v1/chat%5ccompletions',
    '/v1/chat\\completions',
    '/v1/chat%00/completions',
    '/v1/chat%0d%0a/completions',
    '/v1/chat/completions%3fx',
    '/v1/chat/completions%23',
    '/v1/chat/completions%252f',
    '/v1/chat/completions%',
    '/v1/chat/completions%zz',
    '/v1/chat/completions%ff',
    '/v1/chat/completions#fragment',
    '*',
    '/v1beta/models/../files',
    '/v1beta/models/%2e%2e%2ffiles',
    '/v1beta/models/a%2fb:generateContent',
  ]) {
    test(`the path ${path} is refused, not repaired`, async () => {
      const request = { path, body: good.openai.body, method: path === '*' ? 'OPTIONS' : 'POST' }
      await refuses(request, { format: 'problem+json', status: 400, code: 'request.invalid_path' })
      const expected = { format: 'problem+json', status: 401, code: 'auth.missing_credential', known: false } as const
      await refuses({ ...request, key: null }, expected)
      assert.equal(provider.requests.length, 0)
    })
  }
})

describe('models', () => {
  const missing = { status: 404, code: 'model.not_found' }
  const wrong = { status: 400, code: 'model.wrong_format' }
  const environment = { status: 403, code: 'policy.environment' }
  const ask = (format: keyof typeof good, model: string): Request => {
    if (format === 'gemini') return { path: `/v1beta/models/${model}:generateContent`, body: good.gemini.body }
    return { path: good[format].path, body: good[format].body.replace(/gpt|claude/, model) }
  }
  for (const format of dialects) {
    test(`${format}: one that does not exist`, async () => {
      await refuses(ask(format, 'nowhere'), { format, ...missing })
      await refuses(ask(format, '__proto__'), { format, ...missing })
      await refuses(ask(format, 'constructor'), { format, ...missing })
    })
    test(`${format}: one of another format`, async () => {
      for (const model of ['gpt', 'claude', 'gem']) {
        if (!JSON.stringify(ask(format, model)).includes(JSON.stringify(good[format]).slice(1, -1))) {
          await refuses(ask(format, model), { format, ...wrong })
        }
      }
    })
    test(`${format}: a live one with a test key, and the sandbox with a live key`, async () => {
      await refuses({ ...good[format], key: keys.test }, { format, ...environment })
      await refuses(ask(format, 'sandbox'), { format, ...environment })
    })
  }
  for (const [format, path, headers] of [
    ['openai', '/v1/models/nowhere', []],
    ['anthropic', '/v1/models/nowhere', ['anthropic-version: 2023-06-01']],
    ['anthropic', '/anthropic/v1/models/nowhere', []],
    ['gemini', '/v1beta/models/nowhere', []],
  ] as const) {
    test(`GET ${path} (${format}), also for one that this key may not use`, async () => {
      await refuses({ method: 'GET', path, headers }, { format, ...missing })
      const other = path.replace('nowhere', 'sandbox')
      await refuses({ method: 'GET', path: other, headers }, { format, ...missing })
    })
  }
})

describe('bodies', () => {
  const deep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  const members = (format: keyof typeof good, more: string) => good[format].body.replace(/\}$/, `,${more}}`)

  for (const format of dialects) {
    const { path, body } = good[format]
    const bad = (code: string, status = 400) => ({ format, code, status })

    test(`${format}: what is not JSON`, async () => {
      const texts = ['hello', '', ' ', '{', '{"a":1}{"a":1}', body.slice(0, -1), `${body},`, `${body}\0`, "{'a':1}"]
      texts.push('{"a":NaN}', '{"a":01}', `\ufeff${body}`, '{"a":"\t"}', '{"a":1,}', `// c\n${body}`)
      for (const text of texts) {
        await refuses({ path, body: text, headers: ['Content-Type: application/json'] }, bad('request.not_json'))
      }
      const invalid = Buffer.from(body.replace('[]', '["\xff\xfe"]'), 'latin1')
      await refuses({ path, body: invalid }, bad('request.not_json'))
      const surrogate = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')])
      await refuses({ path, body: surrogate }, bad('request.not_json'))
    })

    test(`${format}: what is no object`, async () => {
      for (const text of ['[]', 'null', '1', '"x"', 'true'])
        await refuses({ path, body: text }, bad('request.invalid_body'))
    })

    test(`${format}: a member named twice`, async () => {
      for (const more of ['"a":1,"a":1', '"a":1,"\\u0061":2', '"x":{"b":1,"b":2}', '"x":[[{"b":1,"\\u0062":2}]]']) {
        await refuses({ path, body: members(format, more) }, bad('request.duplicate_member'))
      }
      const again = body.slice(1)
      await refuses({ path, body: `{${again.slice(0, -1)},${again}` }, bad('request.duplicate_member'))
      const escaped = again.replace('m', '\\u006d').replace('"c', '"\\u0063')
      await refuses({ path, body: `{${again.slice(0, -1)},${escaped}` }, bad('request.duplicate_member'))
    })

    test(`${format}: __proto__`, async () => {
      for (const more of ['"__proto__":{}', '"x":{"__proto__":{"a":1}}', '"x":[{"__pr\\u006fto__":null}]']) {
        await refuses({ path, body: members(format, more) }, bad('request.forbidden_member'))
      }
      await serves({ path, body: members(format, '"x":"__proto__"') })
    })

    test(`${format}: nesting`, async () => {
      await serves({ path, body: members(format, `"x":${deep(MAX_DEPTH - 1)}`) })
      await refuses({ path, body: members(format, `"x":${deep(MAX_DEPTH)}`) }, bad('request.too_deep'))
      await refuses({ path, body: members(format, `"x":${deep(30_000)}`) }, bad('request.too_deep'))
      await refuses({ path, body: members(format, `"x":${'{"a":'.repeat(10_000)}`) }, bad('request.too_deep'))
      await serves({ path, body: members(format, `"x":"${'['.repeat(1000)}"`) })
    })

    test(`${format}: size, declared or not`, async () => {
      const sized = (size: number) => members(format, `"x":"${'x'.repeat(size - body.length - 7)}"`)
      assert.equal(sized(MAX_BODY).length, MAX_BODY)
      const chunked = (text: string): Request => {
        const half = Math.floor(text.length / 2)
        const chunks = [text.slice(0, half), text.slice(half)].map(part => `${part.length.toString(16)}\r\n${part}\r\n`)
        return { path, headers: ['Transfer-Encoding: chunked'], body: `${chunks.join('')}0\r\n\r\n` }
      }
      await serves({ path, body: sized(MAX_BODY) })
      await serves(chunked(sized(MAX_BODY)))
      await refuses({ path, body: sized(MAX_BODY + 1) }, bad('request.too_large', 413))
      await refuses(chunked(sized(MAX_BODY + 1)), bad('request.too_large', 413))
      // Told before the body is sent.
      for (const length of ['65537', '99999999999', '9007199254740993']) {
        await refuses(
          { path, headers: [`Content-Length: ${length}`, 'Content-Type: application/json'] },
          bad('request.too_large', 413),
        )
      }
    })

    test(`${format}: another content type or an encoding`, async () => {
      const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']
      types.push('application/jsonx', 'application/json; charset=latin1', 'application/json, text/plain', '')
      for (const type of types) {
        await refuses({ path, body, headers: [`Content-Type: ${type}`] }, bad('request.unsupported_media_type', 415))
      }
      const none = write({ path, body })
        .toString()
        .replace(/Content-Type: .*\r\n/, '')
      assertRefused(await send(none), bad('request.unsupported_media_type', 415))
      for (const encoding of ['gzip', 'br', 'identity, gzip']) {
        const headers = [`Content-Encoding: ${encoding}`]
        await refuses({ path, body, headers }, bad('request.unsupported_media_type', 415))
      }
      for (const type of ['application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"']) {
        await serves({ path, body, headers: [`Content-Type: ${type}`, 'Content-Encoding: identity'] })
      }
    })
  }

  for (const [path, bodies] of Object.entries({
    '/v1/chat/completions': [
      '{}',
      '{"model":"gpt"}',
      '{"messages":[]}',
      '{"model":1,"messages":[]}',
      '{"model":null,"messages":[]}',
      '{"model":["gpt"],"messages":[]}',
      '{"model":"","messages":[]}',
      `{"model":"${'x'.repeat(257)}","messages":[]}`,
      '{"model":"gpt","messages":"Hello"}',
      '{"model":"gpt","messages":{}}',
      '{"model":"gpt","messages":[],"stream":"yes"}',
      '{"model":"gpt","messages":[],"stream":1}',
    ],
    '/v1/responses': ['{}', '{"model":"gpt","input":1}', '{"input":"x"}', '{"model":"gpt","stream":"true"}'],
    '/v1/embeddings': ['{"model":"gpt"}', '{"model":"gpt","input":null}', '{"input":"x"}'],
    '/v1/messages': ['{}', '{"model":"claude"}', '{"messages":[]}', '{"model":"claude","messages":{}}'],
    '/v1beta/models/gem:generateContent': ['{}', '{"contents":null}', '{"contents":"Hello"}', '{"contents":1}'],
  })) {
    test(`members that ${path} needs are missing or of another type`, async () => {
      const format = path === '/v1/messages' ? 'anthropic' : path.startsWith('/v1beta') ? 'gemini' : 'openai'
      for (const body of bodies) await refuses({ path, body }, { format, status: 400, code: 'request.invalid_body' })
    })
  }
})

describe('operations on state in the provider’s account', () => {
  const expected = (format: Format) => ({ format, status: 403, code: 'route.stateful_operation' })
  const paths = {
    openai: [
      'GET /v1/files',
      'POST /v1/files',
      'GET /v1/files/file-1/content',
      'POST /v1/batches',
      'GET /v1/responses/resp_1',
      'DELETE /v1/responses/resp_1',
      'POST /v1/responses/resp_1/cancel',
      'GET /v1/chat/completions/chatcmpl_1',
      'POST /v1/conversations',
      'GET /v1/vector_stores/vs_1',
      'GET /v1/assistants',
      'POST /v1/threads/thread_1/runs',
      'POST /v1/uploads',
      'GET /v1/containers/cntr_1',
      'POST /v1/fine_tuning/jobs',
      'GET /v1/evals',
    ],
    anthropic: [
      'POST /v1/messages/batches',
      'GET /v1/messages/batches/msgbatch_1/results',
      'GET /anthropic/v1/messages/batches',
      'GET /anthropic/v1/files/file_1',
      'GET /v1/skills',
      'GET /v1/organizations/api_keys',
    ],
    gemini: [
      'GET /v1beta/files',
      'POST /upload/v1beta/files',
      'DELETE /v1beta/files/1',
      'GET /v1beta/cachedContents',
      'PATCH /v1beta/cachedContents/1',
      'GET /v1beta/tunedModels/1',
      'GET /v1beta/batches/1',
      'GET /v1beta/fileSearchStores',
      'GET /v1beta/operations/1',
    ],
  }
  for (const format of dialects) {
    test(`${format}: paths`, async () => {
      for (const line of paths[format]) {
        const [method, path] = line.split(' ') as [string, string]
        await refuses({ method, path }, expected(format))
      }
    })
  }

  const named: Record<string, readonly (readonly [string, string])[]> = {
    '/v1/chat/completions': [
      ['a file', '"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]'],
      ['audio of an answer before', '"messages":[{"role":"assistant","audio":{"id":"audio_1"}}]'],
    ],
    '/v1/responses': [
      ['a response before', '"input":"x","previous_response_id":"resp_1"'],
      ['a conversation', '"input":"x","conversation":"conv_1"'],
      ['a conversation by object', '"input":"x","conversation":{"id":"conv_1"}'],
      ['a stored prompt', '"prompt":{"id":"pmpt_1"}'],
      ['work in the background', '"input":"x","background":true'],
      ['an item', '"input":[{"type":"item_reference","id":"msg_1"}]'],
      ['an item, its type left out', '"input":[{"id":"msg_1"}]'],
      ['an item, its type null', '"input":[{"type":null,"id":"msg_1"}]'],
      ['a file', '"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]'],
      ['an image', '"input":[{"role":"user","content":[{"type":"input_image","file_id":"file-1"}]}]'],
      ['vector stores', '"input":"x","tools":[{"type":"file_search","vector_store_ids":["vs_1"]}]'],
      ['a container', '"input":"x","tools":[{"type":"code_interpreter","container":"cntr_1"}]'],
      ['files', '"input":"x","tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["file-1"]}}]'],
      [
        'a shell’s container',
        '"input":"x","tools":[{"type":"shell","environment":{"type":"container_reference","container_id":"cntr_1"}}]',
      ],
      [
        'a skill',
        '"input":"x","tools":[{"type":"shell","environment":{"type":"container_auto","skills":[{"type":"skill_reference","skill_id":"skill_1"}]}}]',
      ],
    ],
    '/v1/messages': [
      ['a container', '"messages":[],"container":"container_1"'],
      ['a container by object', '"messages":[],"container":{"id":"container_1"}'],
      ['a file', '"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}]'],
      ['a file to upload', '"messages":[{"role":"user","content":[{"type":"container_upload","file_id":"file_1"}]}]'],
    ],
    '/v1beta/models/gem:generateContent': [
      ['cached contents', '"contents":[],"cachedContent":"cachedContents/1"'],
      ['cached contents in the other spelling', '"contents":[],"cached_content":"cachedContents/1"'],
      [
        'a file',
        '"contents":[{"parts":[{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/1"}}]}]',
      ],
      ['a file in the other spelling', '"contents":[{"parts":[{"file_data":{"file_uri":"gs://bucket/1"}}]}]'],
      ['a file search store', '"contents":[],"tools":[{"fileSearch":{"fileSearchStoreNames":["fileSearchStores/1"]}}]'],
      [
        'a file search store in the other spelling',
        '"contents":[],"tools":[{"file_search":{"file_search_store_names":["fileSearchStores/1"]}}]',
      ],
    ],
  }
  for (const [path, cases] of Object.entries(named)) {
    const [format, start] = (
      {
        '/v1/messages': ['anthropic', '"model":"claude",'],
        '/v1beta/models/gem:generateContent': ['gemini', ''],
      } as const
    )[path] ?? ['openai', '"model":"gpt",']
    for (const [name, rest] of cases) {
      test(`${path} with ${name}`, async () => {
        await refuses({ path, body: `{${start}${rest}}` }, expected(format))
        const escaped = rest.replace(/"([a-z])(\w+)":/gi, (_, first: string, more: string) => {
          return `"\\u00${first.charCodeAt(0).toString(16)}${more}":`
        })
        assert.notEqual(escaped, rest)
        await refuses({ path, body: `{${start}${escaped}}` }, expected(format))
        assert.equal(provider.requests.length, 0)
      })
    }
  }

  test('the same words in a caller’s own vocabulary are served', async () => {
    const schema = '{"type":"object","properties":{"file_id":{"type":"string"},"container":{"type":"string"}}}'
    const text = '"file_id: container cachedContent item_reference"'
    await serves({
      path: '/v1/responses',
      body: `{"model":"gpt","input":${text},"background":false,"previous_response_id":null,"tools":[{"type":"function","parameters":${schema}}]}`,
    })
    await serves({
      path: '/v1/messages',
      body: `{"model":"claude","messages":[{"role":"user","content":${text}}],"tools":[{"name":"x","input_schema":${schema}}]}`,
    })
    await serves({
      path: '/v1beta/models/gem:generateContent',
      body: `{"contents":[{"parts":[{"text":${text}}]}],"tools":[{"functionDeclarations":[{"parametersJsonSchema":${schema}}]}]}`,
    })
  })
})

describe('framing', () => {
  /** Requests that never became one are counted, by code and the parser's word. */
  const malformed: Record<string, number> = {}
  const refusesRaw = (answer: Answer, status: number, code: string) => {
    assert.equal(answer.status, status, answer.body)
    assert.equal(answer.count, 1)
    assert.equal(answer.headers['content-type'], 'application/problem+json')
    assert.equal(JSON.parse(answer.body).code, code)
    assert.equal(answer.headers.connection, 'close')
    assert.equal(provider.requests.length, 0)
    malformed[code] = (malformed[code] ?? 0) + 1
    raw.push(answer)
  }
  const raw: Answer[] = []
  const smuggled = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello`
  const head = (...lines: string[]) =>
    [
      'POST /v1/chat/completions HTTP/1.1',
      'Host: gateway',
      `Authorization: Bearer ${keys.live}`,
      'Content-Type: application/json',
      ...lines,
      '',
      '',
    ].join('\r\n')

  for (const [name, lines] of Object.entries({
    'a length and chunks': ['Content-Length: 4', 'Transfer-Encoding: chunked'],
    'chunks and a length': ['Transfer-Encoding: chunked', 'Content-Length: 4'],
    'two different lengths': ['Content-Length: 4', 'Content-Length: 40'],
    'a list of lengths': ['Content-Length: 4, 40'],
    'a negative length': ['Content-Length: -1'],
    'a length in hexadecimal': ['Content-Length: 0x10'],
    'a length beyond 64 bits': ['Content-Length: 99999999999999999999999'],
    'chunked that is not last': ['Transfer-Encoding: chunked, identity'],
    'a space before the colon': ['Transfer-Encoding : chunked'],
    'a folded header': ['X-A: 1', ' Transfer-Encoding: chunked'],
    'a control character in a name': ['X\u0001A: 1'],
    'a NUL in a value': ['X-A: \u0000'],
    'a bare carriage return': ['X-A: 1\rTransfer-Encoding: chunked'],
  })) {
    test(`${name} is refused and nothing behind it is read`, async () => {
      refusesRaw(await send(`${head(...lines)}0\r\n\r\n${smuggled}`), 400, 'request.malformed')
    })
  }

  for (const [name, bytes] of Object.entries({
    'a coding that is not chunked': () => `${head('Transfer-Encoding: xchunked')}0\r\n\r\n${smuggled}`,
    'a chunk without a size': () => `${head('Transfer-Encoding: chunked')}hello\r\n`,
    'a chunk of negative size': () => `${head('Transfer-Encoding: chunked')}-1\r\n`,
    'a chunk longer than its size': () => `${head('Transfer-Encoding: chunked')}1\r\nhello\r\n0\r\n\r\n`,
  })) {
    test(`${name} ends the call`, async () => {
      const answer = await send(bytes())
      assert.equal(answer.status, 400)
      assert.equal(answer.count, 1)
      assert.equal(provider.requests.length, 0)
      broken++
    })
  }
  /** Calls whose body never came whole. */
  let broken = 0
  /** Calls that were served and are in no trace. */
  let extra = 0

  for (const [name, bytes] of Object.entries({
    garbage: 'hello\r\n\r\n',
    'no bytes of HTTP': '\u0000\u0001\u0002\r\n\r\n',
    'a TLS greeting': Buffer.from('16030100c8010000c40303', 'hex'),
    'another protocol': 'SSH-2.0-OpenSSH_9.9\r\n',
    'HTTP/2 without agreement': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'an unknown method': 'FROB / HTTP/1.1\r\nHost: x\r\n\r\n',
    'a version that is none': 'GET / HTTP/9.9\r\nHost: x\r\n\r\n',
    'a space in the target': 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n',
  })) {
    test(`${name} is refused`, async () => {
      refusesRaw(await send(bytes), 400, 'request.malformed')
    })
  }

  test('a request without a host is refused', async () => {
    const answer = await send(head().replace('Host: gateway\r\n', ''))
    refusesRaw(answer, 400, 'request.malformed')
  })

  test('an expectation that nobody can meet is refused', async () => {
    const answer = await send(write({ ...good.openai, headers: ['Expect: a-miracle'] }))
    refusesRaw(answer, 400, 'request.malformed')
  })

  test('a caller that asks whether to go on is told so once it is known', async () => {
    const headers = ['Expect: 100-continue']
    const answer = await send(write({ ...good.openai, headers }))
    assert.equal(answer.status, 100)
    assert.equal(answer.count, 2)
    assert.equal(provider.requests.length, 1)
    const stranger = await send(write({ ...good.openai, headers, key: null }))
    assertRefused(stranger, { format: 'openai', status: 401, code: 'auth.missing_credential', known: false })
    assert.equal(stranger.count, 1)
    extra++
  })

  test('a tunnel or another protocol on the connection is not to be had', async () => {
    const tunnel = await send('CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n')
    assert.ok(tunnel.status === 0 || tunnel.status >= 400)
    const headers = ['Connection: close, Upgrade', 'Upgrade: websocket']
    await serves({ ...good.openai, headers })
  })

  test('a head beyond 16 KiB is 431, however it is spread', async () => {
    refusesRaw(await send(head(`X-Big: ${'x'.repeat(20_000)}`)), 431, 'request.head_too_large')
    const many = Array.from({ length: 400 }, (_, n) => `X-${n}: ${'x'.repeat(50)}`)
    refusesRaw(await send(head(...many)), 431, 'request.head_too_large')
    refusesRaw(await send(`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`), 431, 'request.head_too_large')
  })

  test('every answer has an id, also to what never became a request', () => {
    assert.ok(raw.length > 20)
    for (const { headers } of raw) assert.match(headers['x-request-id'] ?? '', /^req_[0-9a-z]{26}$/)
  })

  test('a length shorter than the body ends the call: what follows is no request', async () => {
    const answer = await send(`${head('Content-Length: 10')}${good.openai.body}`)
    assert.equal(answer.status, 400)
    assert.equal(answer.count, 1)
    assert.equal(provider.requests.length, 0)
    broken++
  })

  test('a length longer than the body that ends is not served', async () => {
    const answer = await send(`${head('Content-Length: 1000')}${good.openai.body}`, socket => socket.end())
    assert.notEqual(answer.status, 200)
    assert.equal(provider.requests.length, 0)
    broken++
  })

  test('a caller that hangs up before its body is complete leaves one event and nothing else', async () => {
    const answer = await send(`${head('Content-Length: 1000', 'X-Request-Id: hung-up')}{"model":`, socket => {
      setImmediate(() => socket.destroy())
    })
    assert.equal(answer.status, 0)
    const event = await until('the event', async () =>
      (await gateway.events()).find(({ callerRequestId }) => callerRequestId === 'hung-up'),
    )
    assert.equal(event.outcome, 'caller_hung_up')
    assert.equal(event.problem, 'request.caller_hung_up')
    assert.equal(event.status, 0)
    assert.equal(event.principal?.id, ids.live)
    traces.push({ ...event, known: true })
    assert.equal(provider.requests.length, 0)
  })

  test('a caller that hangs up while it is answered stops the provider', async () => {
    const first = Promise.withResolvers<void>()
    provider.answer = (_request, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write('data: 1\n\n')
      first.resolve()
    }
    const body = '{"model":"gpt","stream":true,"messages":[]}'
    const answer = await send(write({ path: good.openai.path, body }), socket => {
      socket.once('data', async () => {
        await first.promise
        socket.destroy()
      })
    })
    const [request] = provider.requests.splice(0)
    await request?.closed
    provider.answer = (_request, res) => sendJson(res, 200, { ok: true })
    const event = await gateway.event(answer.headers['x-request-id'] ?? '')
    assert.equal(event.outcome, 'caller_hung_up')
    assert.equal(event.status, 200)
    assert.equal(event.stream, true)
    traces.push({ ...event, known: true })
  })

  test('each left one event or was counted once', async () => {
    // The last to be counted: with it, all before are written.
    refusesRaw(await send(head(`X-Big: ${'x'.repeat(20_000)}`)), 431, 'request.head_too_large')
    const counted: Record<string, number> = {}
    const refusals = await until('the counted refusals', async () => {
      const found = (await gateway.refusals()).filter(({ problem }) => problem.startsWith('request.'))
      const heads = found.filter(({ problem }) => problem === 'request.head_too_large')
      return heads.reduce((sum, { count }) => sum + count, 0) >= (malformed['request.head_too_large'] ?? 0) && found
    })
    for (const { problem, count, reason, source } of refusals) {
      counted[problem] = (counted[problem] ?? 0) + count
      assert.ok(reason)
      assert.equal(source, '127.0.0.1')
    }
    assert.equal(counted['request.head_too_large'], malformed['request.head_too_large'])
    // Framing that breaks after the head ends a call, which has its own event and is not counted beside it.
    const calls = (await gateway.events()).filter(({ id }) => !traces.some(trace => trace.id === id))
    assert.equal(
      (counted['request.malformed'] ?? 0) + calls.length,
      (malformed['request.malformed'] ?? 0) + broken + extra,
      JSON.stringify({ counted, calls: calls.map(({ problem, reason }) => [problem, reason]) }),
    )
  })
})

afterEach(() => void provider.requests.splice(0))

test('each call left exactly one event, or was counted once, with its code and reason', async () => {
  const known = traces.filter(trace => trace.known)
  const byId = await until('the events', async () => {
    const events = new Map((await gateway.events()).map(event => [event.id, event]))
    return known.every(({ id }) => events.has(id)) && events
  })
  for (const trace of known) {
    const event = byId.get(trace.id)
    assert.ok(event, JSON.stringify(trace))
    const { problem, reason, outcome, status } = event
    const { id: _, known: _known, route: _route, credential: _credential, ...expected } = trace
    assert.deepEqual({ problem, reason, outcome, status }, pick(expected))
    assert.ok(event.principal)
  }
  const wanted = count(traces.filter(trace => !trace.known).map(wordsOf))
  const total = Object.values(wanted).reduce((sum, n) => sum + n, 0)
  const refusals = await until('the counted refusals', async () => {
    const found = (await gateway.refusals()).filter(({ problem }) => problem.startsWith('auth.'))
    return found.reduce((sum, { count }) => sum + count, 0) >= total && found
  })
  const found: Record<string, number> = {}
  for (const refusal of refusals) {
    const words = wordsOf({ ...refusal })
    found[words] = (found[words] ?? 0) + refusal.count
    assert.ok(refusal.samples.length > 0 && refusal.samples.length <= 3)
    for (const id of refusal.samples) assert.equal(wordsOf(traces.find(trace => trace.id === id) ?? refusal), words, id)
    assert.ok(
      refusal.samples.every(id => traces.some(trace => trace.id === id)),
      JSON.stringify(refusal),
    )
  }
  assert.deepEqual(found, wanted)
})

test('a bound of the whole request below that of its head works, or is refused as configuration', async () => {
  try {
    await using _ = await startGateway({ env: { OSTIARY_REQUESTS_TIMEOUT_MS: '3000' } })
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'config.invalid')
  }
})

test('no key is in any event', async () => {
  const events = JSON.stringify(await gateway.ostiary.store.events.list({ limit: 10_000 }))
  for (const [name, key] of Object.entries(keys)) assert.ok(!events.includes(key), name)
})

test('no worker died of any of this', async () => {
  assert.deepEqual(await gateway.ostiary.store.events.list({ limit: 10, type: 'worker.replaced' }), [])
})

function pick({ problem, reason, outcome, status }: Omit<Trace, 'id' | 'known'>) {
  return { problem, reason, outcome, status }
}

function wordsOf({ problem, reason, credential = null }: Pick<Trace, 'problem' | 'reason' | 'credential'>): string {
  return `${problem} ${reason} ${credential}`
}

function count(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}
