import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Problem } from '#core/problems.ts'
import { readJsonBody } from './bodies.ts'
import { claimPort, type Listener, type ListenerOptions, MAX_HEAD_BYTES, openListener } from './listener.ts'

const OPTIONS: ListenerOptions = {
  host: '127.0.0.1',
  port: 0,
  reusePort: false,
  maxConnections: 100,
  headTimeoutMs: 5000,
  timeoutMs: 5000,
  handle: (req, res) => res.end(`${req.method} ${req.url}`),
}

async function open(t: TestContext, over: Partial<ListenerOptions> = {}): Promise<Listener> {
  const listener = await openListener({ ...OPTIONS, ...over })
  t.after(() => listener.drain(0))
  return listener
}

function dial(port: number, host = '127.0.0.1'): Socket {
  return connect(port, host).on('error', () => {})
}

/** All that the listener sends until it ends the connection. */
async function talk(port: number, bytes: string | Buffer, host?: string): Promise<string> {
  const socket = dial(port, host)
  socket.write(bytes)
  return received(socket)
}

async function received(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  await once(socket, 'close')
  return text
}

function get(path: string, ...lines: string[]): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n`
}

test('localhost is bound on both address families, at one port', async t => {
  const { port } = await open(t, { host: 'localhost' })
  for (const host of ['127.0.0.1', '::1']) {
    assert.match(await talk(port, get('/a', 'Connection: close'), host), /GET \/a$/)
  }
})

test('refuses a port in use, and leaves no half of localhost open', async t => {
  const { port } = await open(t, { host: '::1' })
  await assert.rejects(openListener({ ...OPTIONS, host: 'localhost', port }), { code: 'start.port_in_use' })
  await assert.rejects(once(connect(port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' })
})

test('refuses to start on an address that this machine does not have', async () => {
  await assert.rejects(openListener({ ...OPTIONS, host: '192.0.2.1' }))
})

test('claims a free port and leaves it free', async t => {
  const port = await claimPort('localhost', 0)
  assert.ok(port > 0)
  assert.equal((await open(t, { host: 'localhost', port })).port, port)
})

for (const host of ['127.0.0.1', '::1', '0.0.0.0']) {
  test(`refuses to claim a port that a stranger holds on ${host}`, async t => {
    const stranger = createServer().listen(0, host)
    await once(stranger, 'listening')
    t.after(() => stranger.close())
    const { port } = stranger.address() as { port: number }
    await assert.rejects(claimPort('localhost', port), { code: 'start.port_in_use' })
  })
}

test('refuses to claim a port that is shared by reusePort', { skip: process.platform !== 'linux' }, async t => {
  const { port } = await open(t, { reusePort: true })
  assert.equal((await open(t, { reusePort: true, port })).port, port)
  await assert.rejects(claimPort('127.0.0.1', port), { code: 'start.port_in_use' })
})

/** Sends bytes that are no request; gives the answer and what was told of it. Nothing may reach the handler. */
async function malformed(t: TestContext, bytes: string | Buffer, over: Partial<ListenerOptions> = {}) {
  const told: string[] = []
  const handled: string[] = []
  const { port } = await open(t, {
    handle: (req, res) => {
      handled.push(req.url ?? '')
      req.headers['content-type'] = 'application/json'
      readJsonBody(req, res, 1000).then(
        () => res.end('handled whole'),
        (problem: Problem) => res.writeHead(problem.status).end(),
      )
    },
    onMalformed: (_id: string, source: string, problem: Problem) => told.push(`${source} ${problem.code}`),
    ...over,
  })
  return { answer: await talk(port, bytes), told, handled }
}

const NO_HTTP: Readonly<Record<string, string>> = {
  garbage: 'hello\r\n\r\n',
  'a TLS hello': '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
  'an unknown method': 'FETCH / HTTP/1.1\r\nHost: x\r\n\r\n',
  'HTTP/2 without an upgrade': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'a space in the target': 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n',
  'no Host': 'GET / HTTP/1.1\r\n\r\n',
  'two Hosts': 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n',
}

const POST = 'POST /front HTTP/1.1\r\nHost: x\r\n'
const HIDDEN = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'

const SMUGGLING: Readonly<Record<string, string>> = {
  'a length and chunks': `${POST}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'chunks and a length': `${POST}Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'two lengths': `${POST}Content-Length: 0\r\nContent-Length: 40\r\n\r\n${HIDDEN}`,
  'two equal lengths': `${POST}Content-Length: 0\r\nContent-Length: 0\r\n\r\n${HIDDEN}`,
  'a list of lengths': `${POST}Content-Length: 0, 40\r\n\r\n${HIDDEN}`,
  'a signed length': `${POST}Content-Length: +0\r\n\r\n${HIDDEN}`,
  'a negative length': `${POST}Content-Length: -1\r\n\r\n${HIDDEN}`,
  'a hexadecimal length': `${POST}Content-Length: 0x10\r\n\r\n${HIDDEN}`,
  'a length beyond 64 bits': `${POST}Content-Length: 18446744073709551616\r\n\r\n${HIDDEN}`,
  'an empty length': `${POST}Content-Length: \r\n\r\n${HIDDEN}`,
  'an unknown coding': `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a coding before chunked': `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'chunked not last': `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'chunked in quotes': `${POST}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'chunked and more in a second line': `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'chunked after a control character': `${POST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'chunks in HTTP/1.0': `POST /front HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a chunk size with a sign': `${POST}Transfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n`,
  'a chunk size with a prefix': `${POST}Transfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n`,
  'a chunk size with a space before it': `${POST}Transfer-Encoding: chunked\r\n\r\n 1\r\nx\r\n0\r\n\r\n`,
  'an empty chunk size': `${POST}Transfer-Encoding: chunked\r\n\r\n\r\nx\r\n0\r\n\r\n`,
  'a chunk size that overflows': `${POST}Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\nx\r\n0\r\n\r\n`,
  'a chunk longer than its size': `${POST}Transfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n`,
  'a chunk that ends with a bare LF': `${POST}Transfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n`,
  'a chunk extension with a bare LF': `${POST}Transfer-Encoding: chunked\r\n\r\n1;a\nx\r\n0\r\n\r\n`,
  'a folded header': `${POST}X-A: b\r\n Content-Length: 40\r\n\r\n${HIDDEN}`,
  'a folded length': `${POST}Content-Length:\r\n 40\r\n\r\n${HIDDEN}`,
  'a NUL in a header’s value': `${POST}X-A: a\0b\r\n\r\n`,
  'a NUL in a header’s name': `${POST}X\0A: b\r\n\r\n`,
  'a bare CR in a header': `${POST}X-A: a\rContent-Length: 40\r\n\r\n${HIDDEN}`,
  'a space before the colon': `${POST}Content-Length : 40\r\n\r\n${HIDDEN}`,
  'a tab before the colon': `${POST}Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a header without a colon': `${POST}Content-Length 40\r\n\r\n${HIDDEN}`,
  'an empty header name': `${POST}: 40\r\n\r\n${HIDDEN}`,
  'bare LF as line ends': 'POST /front HTTP/1.1\nHost: x\nContent-Length: 0\n\n',
}

for (const [what, bytes] of Object.entries({ ...NO_HTTP, ...SMUGGLING })) {
  test(`answers 400 to ${what}, and ends the connection`, async t => {
    const { answer, handled } = await malformed(t, Buffer.from(bytes, 'latin1'))
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.doesNotMatch(answer, /handled whole/)
    assert.ok(!handled.includes('/smuggled'), 'what followed was taken for a request')
  })
}

test('tells of what was malformed, from whom, and answers problem+json', async t => {
  const { answer, told, handled } = await malformed(t, 'hello\r\n\r\n')
  assert.deepEqual(told, ['127.0.0.1 request.malformed'])
  assert.deepEqual(handled, [])
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  assert.match(head, /Content-Type: application\/problem\+json/)
  assert.match(head, /Connection: close/)
  assert.match(head, new RegExp(`Content-Length: ${body.length}`))
  assert.equal(JSON.parse(body).code, 'request.malformed')
})

test('ends the connection of a caller that was refused and stays silent', { timeout: 5000 }, async t => {
  const { port } = await open(t, { headTimeoutMs: 200, timeoutMs: 200 })
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {})
  t.after(() => socket.destroy())
  socket.write('hello\r\n\r\n')
  socket.resume()
  await once(socket, 'end')
  // Only a connection that the listener still holds half open would take whatever is written to it.
  const poke = setInterval(() => socket.write('x'), 50)
  t.after(() => clearInterval(poke))
  await new Promise(resolve => socket.on('close', resolve))
})

test('answers 431 to a head over the bound, and takes one below it', async t => {
  const room = MAX_HEAD_BYTES - 200
  assert.match(
    await talk((await open(t)).port, get('/', `X: ${'y'.repeat(room)}`, 'Connection: close')),
    /^HTTP\/1\.1 200/,
  )
  const { answer, told } = await malformed(t, get('/', `X: ${'y'.repeat(MAX_HEAD_BYTES)}`))
  assert.match(answer, /^HTTP\/1\.1 431 /)
  assert.deepEqual(told, ['127.0.0.1 request.head_too_large'])
  const long = await malformed(t, `GET /${'a'.repeat(MAX_HEAD_BYTES)} HTTP/1.1\r\nHost: x\r\n\r\n`)
  assert.match(long.answer, /^HTTP\/1\.1 431 /)
})

test('answers 408 to a head that does not come in time', async t => {
  const { answer, told } = await malformed(t, 'GET / HTTP/1.1\r\nHost: x\r\nX-', { headTimeoutMs: 100, timeoutMs: 100 })
  assert.match(answer, /^HTTP\/1\.1 408 /)
  assert.deepEqual(told, ['127.0.0.1 request.timeout'])
})

test('answers 408 to a body that does not come in time', async t => {
  const bytes = `${POST}Content-Length: 5\r\n\r\nx`
  const { answer, told } = await malformed(t, bytes, { headTimeoutMs: 100, timeoutMs: 200 })
  assert.match(answer, /^HTTP\/1\.1 408 /)
  // Whoever reads the body was told instead.
  assert.deepEqual(told, [])
})

test('writes no second head into an answer that has begun', async t => {
  const { port } = await open(t, {
    handle: (req, res) => {
      req.on('error', () => {})
      res.writeHead(200, { 'content-length': 100 })
      res.write('part')
    },
  })
  const socket = dial(port)
  socket.write(`${POST}Transfer-Encoding: chunked\r\n\r\n`)
  const all = received(socket)
  await once(socket, 'data')
  socket.write('no chunk\r\n')
  const answer = await all
  assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1)
  assert.match(answer, /part$/)
})

test('closes connections beyond the bound', async t => {
  const { port } = await open(t, { maxConnections: 1 })
  const first = dial(port)
  first.write(get('/first'))
  await once(first, 'data')
  assert.equal(await talk(port, get('/second', 'Connection: close')), '')
})

test('shows two Authorization headers as two', async t => {
  const { port } = await open(t, { handle: (req, res) => res.end(req.headers.authorization) })
  const answer = await talk(port, get('/', 'Authorization: Bearer a', 'Authorization: Bearer b', 'Connection: close'))
  assert.match(answer, /Bearer a, Bearer b$/)
})

/** A listener whose answers the test ends itself. */
async function held(t: TestContext) {
  const calls: { req: IncomingMessage; res: ServerResponse }[] = []
  let came = Promise.withResolvers<void>()
  const listener = await open(t, {
    handle: (req, res) => {
      calls.push({ req, res })
      came.resolve()
      came = Promise.withResolvers()
    },
  })
  return { listener, calls, next: () => came.promise }
}

test('draining lets a running answer end, takes no new connection, and ends idle ones at once', async t => {
  const { listener, calls, next } = await held(t)
  const idle = dial(listener.port)
  idle.write(get('/idle'))
  await next()
  calls[0]?.res.end('kept alive')
  await once(idle, 'data')
  const busy = dial(listener.port)
  busy.write(get('/busy'))
  await next()
  const drained = listener.drain(60_000)
  await once(idle, 'close')
  await assert.rejects(once(connect(listener.port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' })
  const answer = received(busy)
  calls[1]?.res.end('whole answer')
  assert.match(await answer, /whole answer/)
  await drained
})

test('draining ends a connection with its running answer, so that no further request follows on it', async t => {
  const { listener, calls, next } = await held(t)
  const busy = dial(listener.port)
  busy.write(get('/1'))
  await next()
  const drained = listener.drain(60_000)
  const answer = received(busy)
  calls[0]?.res.end('first')
  busy.write(get('/2'))
  const second = next().then(() => calls[1]?.res.end('second'))
  await Promise.race([drained, second])
  assert.deepEqual(
    calls.map(({ req }) => req.url),
    ['/1'],
  )
  assert.match(await answer, /Connection: close/i)
})

test('draining cuts what runs longer than the bound', async t => {
  const { listener, calls, next } = await held(t)
  const busy = dial(listener.port)
  busy.write(get('/endless'))
  await next()
  const ended = Promise.all([once(calls[0]?.res as ServerResponse, 'close'), received(busy)])
  await listener.drain(50)
  await ended
})

test('ends connections that speak another protocol when it has waited for them', { timeout: 5000 }, async t => {
  const listener = await open(t, {
    handle: (_req, res) => res.writeHead(101, { connection: 'Upgrade', upgrade: 'websocket' }).flushHeaders(),
  })
  const socket = connect(listener.port, '127.0.0.1').on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  assert.match(answer.toString(), /^HTTP\/1\.1 101 /)
  const closed = once(socket, 'close')
  await listener.drain(100)
  await closed
})

test('takes no request after an upgrade that it did not take up, nor after one that was refused', async t => {
  const handled: string[] = []
  const { port } = await open(t, {
    handle: (req, res) => {
      handled.push(req.url ?? '')
      setTimeout(() => res.end('done'), 50)
    },
  })
  for (const line of ['Connection: Upgrade\r\nUpgrade: h2c', 'Host: y']) {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    socket.write(`GET /first HTTP/1.1\r\nHost: x\r\n${line}\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n`)
    setTimeout(() => socket.write('GET /later HTTP/1.1\r\nHost: x\r\n\r\n'), 10)
    socket.resume()
    await once(socket, 'close')
  }
  assert.deepEqual(handled, ['/first'])
})
