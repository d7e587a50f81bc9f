import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import type { AdmittedEvent } from '#core/events.ts'
import { Problem, type ProblemCode } from '#core/problems.ts'
import { ask, chatBytes, dial, identityOf, NOW, openGateway, openProvider, readAll } from './gateway-under-test.ts'

function echo(t: Parameters<typeof openProvider>[0], got: unknown[] = []): Promise<number> {
  return openProvider(t, async (req, res) => {
    let body = ''
    for await (const chunk of req) body += chunk
    got.push({ url: req.url, headers: req.headers, body })
    res.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}')
  })
}

test('carries a call to the provider and back, and says in one event what happened', async t => {
  const got: { url: string; headers: Record<string, string>; body: string }[] = []
  const gateway = await openGateway(t, { upstreamPort: await echo(t, got) })
  const body = '{ "messages":[ ],\n "model" : "real" , "temperature": 1.0, "big": 12345678901234567890 }'
  const headers = { cookie: 'a=b', 'openai-beta': 'x', 'x-forwarded-for': '1.2.3.4', 'x-request-id': 'mine' }
  const res = await ask(gateway.port, { body, headers })
  assert.deepEqual(await readAll(res), { text: '{"ok":true}', complete: true })
  assert.equal(res.statusCode, 200)
  assert.match(String(res.headers['x-ostiary-overhead-ms']), /^\d+\.\d\d$/)
  const { host: _, connection: __, ...sent } = got[0]?.headers ?? {}
  assert.equal(got[0]?.url, '/base/v1/chat/completions')
  assert.equal(got[0]?.body, body.replace('"real"', '"its-name"'), 'no byte but the model’s name is changed')
  assert.deepEqual(sent, {
    'content-type': 'application/json',
    'content-length': String(body.length + 4),
    accept: '*/*',
    'accept-encoding': 'identity',
    'user-agent': 'ostiary',
    'openai-beta': 'x',
    authorization: 'Bearer op',
  })
  const { durationMs, firstByteMs, ...event } = await gateway.event()
  assert.ok(firstByteMs !== null && firstByteMs <= durationMs)
  assert.deepEqual(event, {
    type: 'call',
    id: res.headers['x-request-id'],
    callerRequestId: 'mine',
    at: NOW,
    worker: 2,
    configGeneration: 3,
    source: '127.0.0.1',
    method: 'POST',
    path: '/v1/chat/completions',
    route: 'openai.chat',
    principal: { kind: 'api_key', id: 'key_live', project: 'proj_default', environment: 'live' },
    credential: 'key_live',
    model: 'real',
    target: { provider: 'p', model: 'its-name', test: false },
    stream: false,
    outcome: 'completed',
    problem: null,
    reason: null,
    status: 200,
    upstreamStatus: 200,
    bytesIn: body.length,
    bytesOut: 11,
    usage: {
      input: 35,
      cachedInput: 0,
      cacheWrite: 0,
      output: 13,
      reasoning: 0,
      audioInput: 0,
      audioOutput: 0,
      imageInput: 0,
      imageOutput: 0,
      source: 'estimate',
    },
    costNanoUsd: null,
  })
  assert.equal(gateway.events.length, 1)
})

const chat = { model: 'real', messages: [] }

/** In the order of the checks: each request fails only the one named and later ones. */
const refusals: readonly (readonly [
  what: string,
  asked: Parameters<typeof ask>[1],
  status: number,
  code: ProblemCode,
])[] = [
  ['no credential', { headers: { authorization: '' } }, 401, 'auth.missing_credential'],
  ['no credential on an unknown path', { path: '/x', headers: { authorization: '' } }, 401, 'auth.missing_credential'],
  ['a wrong key', { headers: { authorization: 'Bearer x' }, body: 'no json' }, 401, 'auth.invalid_credential'],
  [
    'a wrong key on an unknown path',
    { path: '/v1/x', headers: { authorization: 'Bearer x' } },
    401,
    'auth.invalid_credential',
  ],
  [
    'a wrong key by a wrong method',
    { method: 'PUT', headers: { authorization: 'Bearer x' } },
    401,
    'auth.invalid_credential',
  ],
  [
    'a wrong key on a path that is not canonical',
    { path: '//', headers: { authorization: 'Bearer x' } },
    401,
    'auth.invalid_credential',
  ],
  ['two keys', { headers: { 'x-api-key': 'test' } }, 400, 'auth.multiple_credentials'],
  ['a key in the query', { path: '/v1/chat/completions?key=live' }, 400, 'auth.credential_in_query'],
  ['an unknown path', { path: '/v1/x' }, 404, 'route.not_found'],
  ['a wrong method', { method: 'PUT' }, 405, 'route.method_not_allowed'],
  ['files of the account', { path: '/v1/files' }, 403, 'route.stateful_operation'],
  ['a path that is not canonical', { path: '/v1/x/../chat/completions' }, 400, 'request.invalid_path'],
  ['text', { headers: { 'content-type': 'text/plain' } }, 415, 'request.unsupported_media_type'],
  ['a body over the bound', { body: { ...chat, x: 'x'.repeat(1_000_000) } }, 413, 'request.too_large'],
  ['no JSON', { body: '{' }, 400, 'request.not_json'],
  ['a model named twice', { body: '{"model":"real","messages":[],"model":"other"}' }, 400, 'request.duplicate_member'],
  ['a body that does not fit', { body: { model: 'real' } }, 400, 'request.invalid_body'],
  [
    'a stored response',
    { path: '/v1/responses', body: { model: 'real', previous_response_id: 'r' } },
    403,
    'route.stateful_operation',
  ],
  ['an unknown model', { body: { model: 'nothing', messages: [] } }, 404, 'model.not_found'],
  ['a model of another format', { path: '/v1/messages' }, 400, 'model.wrong_format'],
  ['a test key for a real provider', { headers: { authorization: 'Bearer test' } }, 403, 'policy.environment'],
]

for (const [what, asked, status, code] of refusals) {
  test(`answers ${status} ${code} to ${what}, sends nothing on and says so in one event`, async t => {
    const got: unknown[] = []
    const gateway = await openGateway(t, { upstreamPort: await echo(t, got) })
    const res = await ask(gateway.port, asked)
    const { text } = await readAll(res)
    assert.equal(res.statusCode, status)
    assert.doesNotThrow(() => JSON.parse(text))
    assert.equal(res.headers['cache-control'], 'no-store')
    assert.equal(res.headers['x-ostiary-overhead-ms'], undefined)
    const event = await gateway.event()
    assert.deepEqual([event.problem, event.status, event.outcome], [code, status, 'refused'])
    assert.equal(event.id, res.headers['x-request-id'])
    assert.equal(event.bytesOut, Buffer.byteLength(text))
    assert.deepEqual([got, gateway.events.length, gateway.failures], [[], 1, []])
  })
}

test('challenges as RFC 6750 says: no error where no credential was sent', async t => {
  const gateway = await openGateway(t)
  const missing = await ask(gateway.port, { headers: { authorization: '' } })
  assert.equal(missing.headers['www-authenticate'], 'Bearer realm="ostiary"')
  const wrong = await ask(gateway.port, { headers: { authorization: 'Bearer x' } })
  assert.match(String(wrong.headers['www-authenticate']), /^Bearer realm="ostiary", error="invalid_token"/)
  missing.resume()
  wrong.resume()
})

test('a 405 says which methods are allowed', async t => {
  const res = await ask((await openGateway(t)).port, { method: 'PUT' })
  assert.equal(res.headers.allow, 'POST')
  res.resume()
})

test('every reason to refuse a key looks the same to the caller, but for the id of the request', async t => {
  const answers = new Set<string>()
  for (const reason of ['unknown', 'revoked', 'expired', 'tag']) {
    const gateway = await openGateway(t, {
      authenticator() {
        throw new Problem('auth.invalid_credential', { reason, credential: 'key_1' })
      },
    })
    const res = await ask(gateway.port)
    const { text } = await readAll(res)
    const id = String(res.headers['x-request-id'])
    const headers = Object.entries(res.headers).filter(([name]) => name !== 'date')
    answers.add(JSON.stringify([res.statusCode, headers, text]).replaceAll(id, ''))
    assert.equal((await gateway.event()).reason, reason)
  }
  assert.equal(answers.size, 1)
})

test('a store that cannot answer is 503 and never 401', async t => {
  const gateway = await openGateway(t, {
    authenticator: async () => {
      throw new Problem('store.unavailable')
    },
  })
  const res = await ask(gateway.port)
  assert.deepEqual([res.statusCode, res.headers['retry-after']], [503, '1'])
  res.resume()
  assert.equal((await gateway.event()).outcome, 'failed')
})

test('what cannot be recorded is not forwarded', async t => {
  const got: unknown[] = []
  const gateway = await openGateway(t, {
    upstreamPort: await echo(t, got),
    ensureRecordable() {
      throw new Problem('events.not_recordable')
    },
  })
  const res = await ask(gateway.port)
  assert.equal(res.statusCode, 503)
  res.resume()
  assert.deepEqual([(await gateway.event()).problem, got], ['events.not_recordable', []])
})

test('where events are durable, nothing is forwarded before the call is on record', async t => {
  const got: unknown[] = []
  const admitted = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<AdmittedEvent>()
  const gateway = await openGateway(t, {
    upstreamPort: await echo(t, got),
    admit(event) {
      asked.resolve(event)
      return admitted.promise
    },
  })
  const answered = ask(gateway.port)
  const event = await asked.promise
  assert.deepEqual(
    [event.type, event.credential, event.model, event.target, event.route],
    ['admitted', 'key_live', 'real', { provider: 'p', model: 'its-name', test: false }, 'openai.chat'],
  )
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(got, [])
  admitted.resolve()
  const res = await answered
  res.resume()
  assert.equal(res.statusCode, 200)
  assert.equal((await gateway.event()).id, event.id)
})

test('where events are durable, a call that cannot be put on record is refused and not forwarded', async t => {
  const got: unknown[] = []
  const gateway = await openGateway(t, {
    upstreamPort: await echo(t, got),
    admit: () => Promise.reject(new Problem('events.not_recordable')),
  })
  const res = await ask(gateway.port)
  res.resume()
  assert.deepEqual([res.statusCode, (await gateway.event()).problem, got], [503, 'events.not_recordable', []])
})

test('where events are durable, what the gateway itself answers waits for its event, or becomes 503', async t => {
  for (const asked of [{ body: { model: 'nothing', messages: [] } }, { path: '/v1/models', method: 'GET' }]) {
    const written = Promise.withResolvers<void>()
    const gateway = await openGateway(t, { recorded: () => written.promise })
    let answered = false
    const answer = ask(gateway.port, asked).then(res => {
      answered = true
      return res
    })
    const { status } = await gateway.event()
    await new Promise(resolve => setImmediate(resolve))
    assert.equal(answered, false)
    written.resolve()
    const res = await answer
    res.resume()
    assert.equal(res.statusCode, status)

    const failing = await openGateway(t, { recorded: () => Promise.reject(new Problem('events.not_recordable')) })
    const refused = await ask(failing.port, asked)
    const { text } = await readAll(refused)
    assert.deepEqual([refused.statusCode, JSON.parse(text).error.code], [503, 'events.not_recordable'])
    assert.equal(failing.events.length, 1, 'one event, whatever is answered')
  }
})

test('a defect is 500 with no word of its cause, and is logged', async t => {
  const gateway = await openGateway(t, {
    authenticator() {
      throw new TypeError('hidden cause')
    },
  })
  const res = await ask(gateway.port)
  const { text } = await readAll(res)
  assert.equal(res.statusCode, 500)
  assert.doesNotMatch(text, /hidden/)
  assert.match(String(gateway.failures), /hidden cause/)
  assert.deepEqual([(await gateway.event()).problem, gateway.events.length], ['gateway.internal', 1])
})

test('lists the models that the caller may use', async t => {
  const models = [
    { alias: 'real', model: null, provider: 'p' },
    { alias: 'cheap', model: null, provider: 'tagged' },
    { alias: 'gpt-*', model: null, provider: 'p' },
  ]
  const gateway = await openGateway(t, { models })
  const list = async (key: string) => {
    const res = await ask(gateway.port, {
      method: 'GET',
      path: '/v1/models',
      headers: { authorization: `Bearer ${key}` },
    })
    return JSON.parse((await readAll(res)).text).data.map(({ id }: { id: string }) => id)
  }
  assert.deepEqual(await list('live'), ['real', 'cheap'])
  assert.deepEqual(await list('test'), ['cheap'])
  const hidden = await ask(gateway.port, {
    method: 'GET',
    path: '/v1/models/real',
    headers: { authorization: 'Bearer test' },
  })
  assert.equal(hidden.statusCode, 404)
  hidden.resume()
})

/** Parks every call in authentication until the test lets it go on. */
function parked() {
  const parked = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  return {
    parked: parked.promise,
    release: released.resolve,
    async authenticator() {
      parked.resolve()
      await released.promise
      return identityOf('live')
    },
  }
}

for (const [what, bytes] of Object.entries({
  'a whole request': chatBytes(),
  'half a body': chatBytes().slice(0, -5),
  'a request for the models': 'GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer live\r\n\r\n',
  'a request for nothing': 'GET /x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer live\r\n\r\n',
})) {
  test(`a caller that hangs up while it is being authenticated ends its call, after ${what}`, {
    timeout: 5000,
  }, async t => {
    const { parked: reached, release, authenticator } = parked()
    let requests = 0
    const upstreamPort = await openProvider(t, (_req, res) => {
      requests++
      res.end()
    })
    const gateway = await openGateway(t, { upstreamPort, authenticator })
    const socket = dial(gateway.port, bytes)
    await reached
    socket.destroy()
    // The other side learns of it by an event of its own loop.
    const probe = dial(gateway.port, 'GET')
    await once(probe, 'connect')
    for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve))
    release()
    const event = await gateway.event()
    assert.equal(event.outcome, 'caller_hung_up')
    assert.deepEqual([requests, gateway.events.length, gateway.failures], [0, 1, []])
    probe.destroy()
  })
}

test('a caller that hangs up in its body ends its call', async t => {
  const gateway = await openGateway(t)
  const socket = dial(gateway.port, chatBytes().slice(0, -5))
  await once(socket, 'connect')
  for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve))
  socket.destroy()
  const event = await gateway.event()
  assert.deepEqual([event.outcome, event.status, event.problem], ['caller_hung_up', 0, 'request.caller_hung_up'])
})

test('a caller that hangs up before the provider answers stops the provider', async t => {
  const reached = Promise.withResolvers<IncomingMessage>()
  const upstreamPort = await openProvider(t, req => reached.resolve(req))
  const gateway = await openGateway(t, { upstreamPort })
  const socket = dial(gateway.port, chatBytes())
  const req = await reached.promise
  const closed = once(req.socket, 'close')
  socket.destroy()
  await closed
  const event = await gateway.event()
  assert.deepEqual([event.outcome, event.status, event.upstreamStatus], ['caller_hung_up', 0, null])
})

test('a body that is not received in time is one event, and says so', async t => {
  const gateway = await openGateway(t, { timeoutMs: 100 })
  const socket = dial(gateway.port, chatBytes().slice(0, -5))
  let answer = ''
  socket.on('data', bytes => {
    answer += bytes
  })
  await once(socket, 'close')
  assert.match(answer, /^HTTP\/1\.1 408 /)
  const event = await gateway.event()
  assert.deepEqual([event.problem, event.outcome], ['request.timeout', 'refused'])
})

test('a refused body is read and dropped, so that the answer arrives and the connection serves on', async t => {
  const gateway = await openGateway(t)
  const refused = chatBytes({ ...chat, x: 'x'.repeat(500_000) }).replace('Bearer live', 'Bearer nobody')
  const socket = dial(gateway.port, refused + chatBytes({ model: 'nothing', messages: [] }, 'Connection: close'))
  let answers = ''
  socket.on('data', bytes => {
    answers += bytes
  })
  await once(socket, 'close')
  assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 401', 'HTTP/1.1 404'])
})

test('a refused body without end is cut off', async t => {
  const gateway = await openGateway(t)
  const head = 'POST /v1/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
  const socket = dial(gateway.port, head)
  let sent = 0
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
  const pump = () => {
    while (!socket.destroyed && socket.write(chunk)) sent += chunk.length
  }
  socket.on('drain', pump).resume()
  pump()
  await new Promise(resolve => socket.on('close', resolve))
  assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes were taken`)
})

test('a call under way when its generation is replaced is still forwarded', async t => {
  const { parked: reached, release, authenticator } = parked()
  const gateway = await openGateway(t, { upstreamPort: await echo(t), authenticator })
  const answer = ask(gateway.port)
  await reached
  // As a reload does with the generation that it replaces.
  void gateway.generation[Symbol.asyncDispose]()
  release()
  const res = await answer
  assert.equal(res.statusCode, 200)
  res.resume()
})
