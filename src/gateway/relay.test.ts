import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { ask, chatBytes, dial, openGateway, openProvider, openRawProvider, readAll } from './gateway-under-test.ts'

const SSE = { 'content-type': 'text/event-stream; charset=utf-8' }

test('passes a whole answer with its status and headers', async t => {
  const upstreamPort = await openProvider(t, (_req, res) => {
    res.writeHead(201, { 'content-type': 'x/y', 'x-own': 'a', 'content-length': 4 }).end('body')
  })
  const gateway = await openGateway(t, { upstreamPort })
  const res = await ask(gateway.port)
  assert.deepEqual([res.statusCode, res.headers['content-type'], res.headers['x-own']], [201, 'x/y', 'a'])
  assert.deepEqual(await readAll(res), { text: 'body', complete: true })
})

test('passes the provider’s error unchanged, and says that it is the provider’s', async t => {
  const body = '{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}'
  const upstreamPort = await openProvider(t, (_req, res) => {
    res.writeHead(429, { 'content-type': 'application/json', 'retry-after': '7' }).end(body)
  })
  const gateway = await openGateway(t, { upstreamPort })
  const res = await ask(gateway.port)
  assert.deepEqual(
    [res.statusCode, res.headers['x-ostiary-upstream-status'], res.headers['retry-after']],
    [429, '429', '7'],
  )
  assert.equal((await readAll(res)).text, body)
  const event = await gateway.event()
  assert.deepEqual([event.status, event.upstreamStatus, event.outcome, event.problem], [429, 429, 'completed', null])
})

for (const [what, talk, code] of [
  ['closes without an answer', (end: () => void) => end(), 502],
  ['answers no HTTP', (_end: () => void, write: (text: string) => void) => write('hello\r\n\r\n'), 502],
  [
    'redirects',
    (_end: () => void, write: (text: string) => void) =>
      write('HTTP/1.1 302 F\r\nLocation: /\r\nContent-Length: 0\r\n\r\n'),
    502,
  ],
] as const) {
  test(`answers ${code} in the route’s words for a provider that ${what}`, async t => {
    const upstreamPort = await openRawProvider(t, socket =>
      talk(
        () => socket.end(),
        text => socket.write(text),
      ),
    )
    const gateway = await openGateway(t, { upstreamPort })
    const res = await ask(gateway.port)
    assert.equal(res.statusCode, code)
    assert.equal(JSON.parse((await readAll(res)).text).error.code, 'upstream.broken')
    const event = await gateway.event()
    assert.deepEqual([event.outcome, event.upstreamStatus], ['upstream_failed', null])
  })
}

test('answers 502 where no provider listens, and 504 where it is silent', async t => {
  const nobody = await ask((await openGateway(t)).port)
  assert.equal(nobody.statusCode, 502)
  nobody.resume()
  const upstreamPort = await openRawProvider(t, () => {})
  const silent = await ask((await openGateway(t, { upstreamPort, upstream: { timeoutMs: 100 } })).port)
  assert.equal(silent.statusCode, 504)
  silent.resume()
})

test('a stream’s head and each event leave as they come', async t => {
  let provider: ServerResponse | undefined
  const upstreamPort = await openProvider(t, (_req, res) => {
    provider = res
    res.writeHead(200, SSE).flushHeaders()
  })
  const gateway = await openGateway(t, { upstreamPort })
  const res = await ask(gateway.port)
  assert.equal(res.headers['content-type'], SSE['content-type'])
  for (const event of ['data: 1\n\n', 'data: 2\r\n\r\n']) {
    provider?.write(event)
    assert.equal(String((await once(res, 'data'))[0]), event)
  }
  provider?.end('data: [DONE]\n\n')
  await new Promise(resolve => res.on('end', resolve))
  assert.equal((await gateway.event()).outcome, 'completed')
})

test('an event stream is never cached or held back by a proxy, whatever the provider said', async t => {
  const upstreamPort = await openProvider(t, (_req, res) => {
    res.writeHead(200, { ...SSE, 'cache-control': 'public, max-age=60', 'x-accel-buffering': 'yes' }).end('data: 1\n\n')
  })
  const res = await ask((await openGateway(t, { upstreamPort })).port)
  assert.equal(res.headers['cache-control'], 'no-store')
  assert.equal(res.headers['x-accel-buffering'], 'no')
  res.resume()
})

const formats = [
  ['openai', '/v1/chat/completions', { model: 'real', messages: [], stream: true }],
  ['anthropic', '/v1/messages', { model: 'real', messages: [], stream: true }],
  ['gemini', '/v1beta/models/real:streamGenerateContent?alt=sse', { contents: [] }],
] as const

for (const [format, path, body] of formats) {
  test(`a ${format} stream that breaks off ends with the format’s error event instead of its last part`, async t => {
    const upstreamPort = await openRawProvider(t, socket => {
      const chunk = 'data: {"a":1}\n\ndata: {"half'
      const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n'
      socket.end(`${head}${chunk.length.toString(16)}\r\n${chunk}\r\n`)
    })
    const gateway = await openGateway(t, { upstreamPort, format })
    const { text, complete } = await readAll(await ask(gateway.port, { path, body }))
    assert.equal(complete, true)
    const [first, last = '', ...rest] = text.split(/\r?\n\r?\n/)
    assert.equal(first, 'data: {"a":1}')
    assert.deepEqual(rest, [''])
    const data = JSON.parse(last.replace(/^event: error\r?\n/, '').slice('data: '.length))
    assert.ok(data.error.message.length > 0)
    assert.equal(last.startsWith('event: error'), format === 'anthropic')
    const event = await gateway.event()
    assert.deepEqual([event.outcome, event.problem, event.status], ['upstream_failed', 'upstream.broken', 200])
  })
}

test('a stream of declared length that breaks off is not taken for whole, and spoils no later answer', async t => {
  const upstreamPort = await openRawProvider(t, socket => {
    socket.end('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 5000\r\n\r\ndata: 1\n\ndata: 2')
  })
  const gateway = await openGateway(t, { upstreamPort })
  const socket = dial(gateway.port, chatBytes())
  let text = ''
  socket.on('data', bytes => {
    text += bytes
  })
  await gateway.event()
  socket.write(chatBytes({ model: 'nothing', messages: [] }, 'Connection: close'))
  await new Promise(resolve => socket.on('close', resolve))
  const [head = '', body = ''] = text.split(/\r\n\r\n(.*)/s)
  const length = /^content-length: (\d+)/im.exec(head)?.[1]
  // Either framed as it really is, or broken off: never short of what it declares with more to follow.
  if (length !== undefined) assert.ok(body.length >= Number(length) || !text.includes('404'), text)
  else assert.match(text, /upstream\.broken/)
})

test('an event too long to hold breaks the connection when it breaks off: nothing but its rest could follow', async t => {
  const upstreamPort = await openRawProvider(t, socket => {
    const chunk = `data: ${'x'.repeat(100_000)}`
    const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n'
    socket.end(`${head}${chunk.length.toString(16)}\r\n${chunk}\r\n`)
  })
  const gateway = await openGateway(t, { upstreamPort })
  const { text, complete } = await readAll(await ask(gateway.port))
  assert.equal(complete, false)
  assert.doesNotMatch(text, /error/)
})

for (const [what, head] of [
  ['chunked', 'Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n'],
  ['of declared length', 'Content-Length: 50\r\n\r\n{"a":'],
]) {
  test(`an answer ${what} that breaks off breaks the caller’s connection: no part passes for the whole`, async t => {
    const upstreamPort = await openRawProvider(t, socket => {
      socket.end(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${head}`)
    })
    const gateway = await openGateway(t, { upstreamPort })
    assert.equal((await readAll(await ask(gateway.port))).complete, false)
    const event = await gateway.event()
    assert.deepEqual([event.outcome, event.problem], ['upstream_failed', 'upstream.broken'])
  })
}

test('a stream that falls silent ends with an error event', async t => {
  const upstreamPort = await openProvider(t, (_req, res) => {
    res.writeHead(200, SSE).write('data: 1\n\n')
  })
  const gateway = await openGateway(t, { upstreamPort, upstream: { idleTimeoutMs: 100 } })
  assert.match(
    (await readAll(await ask(gateway.port))).text,
    /^data: 1\n\ndata: \{"error":.*upstream\.timeout.*\}\n\n$/,
  )
})

/** A provider that writes without end; tells when its socket has taken nothing for a while. */
async function flood(t: Parameters<typeof openProvider>[0], headers: Record<string, string>) {
  const state = { accepted: 0, res: undefined as ServerResponse | undefined }
  const stalled = Promise.withResolvers<void>()
  const port = await openProvider(t, async (_req, res) => {
    state.res = res.writeHead(200, headers)
    const chunk = `data: ${'x'.repeat(65_528)}\n\n`
    while (!res.destroyed && state.accepted < 100 * 1024 * 1024) {
      state.accepted += chunk.length
      if (res.write(chunk)) continue
      const patience = setTimeout(stalled.resolve, 500)
      await new Promise(resolve => res.once('drain', resolve))
      clearTimeout(patience)
    }
    res.end()
  })
  return { port, state, stalled: stalled.promise }
}

for (const headers of [SSE, { 'content-type': 'application/octet-stream' }]) {
  test(`a caller that does not read stops the provider, and gets all once it reads: ${headers['content-type']}`, async t => {
    const { port, state, stalled } = await flood(t, headers)
    const gateway = await openGateway(t, { upstreamPort: port })
    const res = await ask(gateway.port)
    res.pause()
    await stalled
    assert.ok(state.accepted < 50 * 1024 * 1024, `${state.accepted} bytes left the provider`)
    let read = 0
    res.on('data', chunk => {
      read += chunk.length
    })
    res.resume()
    await new Promise(resolve => res.on('close', resolve))
    assert.equal(read, state.accepted)
    const event = await gateway.event()
    assert.deepEqual([event.outcome, event.bytesOut], ['completed', state.accepted])
  })
}

test('a caller that reads nothing for too long is cut off, and the provider stopped', async t => {
  const { port, state } = await flood(t, SSE)
  const gateway = await openGateway(t, { upstreamPort: port, stallMs: 100 })
  const res = await ask(gateway.port)
  res.pause()
  assert.equal((await gateway.event()).outcome, 'caller_hung_up')
  if (!state.res?.destroyed) await once(state.res as ServerResponse, 'close')
  res.destroy()
})

test('a caller that hangs up in a stream stops the provider at once', async t => {
  const provider = Promise.withResolvers<ServerResponse>()
  const upstreamPort = await openProvider(t, (_req, res) => {
    res.writeHead(200, SSE).write('data: 1\n\n')
    provider.resolve(res)
  })
  const gateway = await openGateway(t, { upstreamPort })
  const res = await ask(gateway.port)
  await once(res, 'data')
  const closed = once(await provider.promise, 'close')
  res.destroy()
  await closed
  const event = await gateway.event()
  assert.deepEqual([event.outcome, event.status, event.problem, event.bytesOut], ['caller_hung_up', 200, null, 9])
})

for (const [what, value] of Object.entries({ 'not ASCII': '模型', 'control characters': 'a\x01b\x7f' })) {
  test(`a provider’s header with ${what} spoils no later call`, { timeout: 8000 }, async t => {
    let poisoned = true
    const upstreamPort = await openProvider(t, (_req, res) => {
      if (poisoned) {
        res.socket?.end(`HTTP/1.1 200 OK\r\nX-Name: ${value}\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`)
      } else res.end('well')
    })
    const gateway = await openGateway(t, { upstreamPort, upstream: { connections: 1 } })
    const res = await ask(gateway.port)
    assert.ok(res.statusCode === 200 || res.statusCode === 502, `${res.statusCode}`)
    await readAll(res)
    poisoned = false
    assert.equal((await readAll(await ask(gateway.port))).text, 'well')
    assert.deepEqual(gateway.failures, [])
  })
}
