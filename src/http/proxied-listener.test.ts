import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { compileAddresses } from '#core/compile-addresses.ts'
import { createConnectionCaps } from './connection-caps.ts'
import { createConnectionMemory } from './connection-table.ts'
import { type Listener, type ListenerOptions, openListener } from './listener.ts'
import { proxyHeader } from './proxy-header-for-test.ts'

const CLIENT = proxyHeader(0x21, 0x11, [203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x34, 0x01, 0xbb])
const OTHER = proxyHeader(0x21, 0x11, [198, 51, 100, 2, 10, 0, 0, 1, 0x12, 0x34, 0x01, 0xbb])
const LOCAL = proxyHeader(0x20, 0x00, [])

interface Proxied extends Listener {
  /** What was refused: reason and source. */
  readonly refused: (readonly [string | null | undefined, string])[]
}

/** A listener behind proxies at 127.0.0.1, that answers with the client, method, path and body. */
async function open(t: TestContext, over: Partial<ListenerOptions> = {}): Promise<Proxied> {
  const refused: (readonly [string | null | undefined, string])[] = []
  const listener = await openListener({
    host: '127.0.0.1',
    port: 0,
    reusePort: false,
    maxConnections: 100,
    headTimeoutMs: 5000,
    timeoutMs: 5000,
    proxyProtocolOf: compileAddresses(['127.0.0.1']),
    async handle(req, res, client) {
      let body = ''
      for await (const chunk of req) body += chunk
      res.end(`<${client} ${req.method} ${req.url} ${body}>`)
    },
    onMalformed: (_id, source, { reason }) => refused.push([reason, source]),
    ...over,
  })
  t.after(() => listener.drain(0))
  return Object.assign(listener, { refused })
}

function dial(port: number, localAddress = '127.0.0.1'): Socket {
  return connect({ port, host: '127.0.0.1', localAddress, noDelay: true }).on('error', () => {})
}

async function received(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  await ended(socket)
  return text
}

/** However it ended. */
function ended(socket: Socket): Promise<void> {
  return new Promise(resolve => socket.once('close', () => resolve()))
}

function bodies(text: string): string[] {
  return text.match(/<[^>]*>/g) ?? []
}

const get = (path: string, close = true) =>
  Buffer.from(`GET ${path} HTTP/1.1\r\nHost: x\r\n${close ? 'Connection: close\r\n' : ''}\r\n`)

test('takes the client’s address from the header, and requests that came with it, one after the other', async t => {
  const { port, refused } = await open(t)
  const socket = dial(port)
  socket.write(Buffer.concat([CLIENT, get('/a', false), get('/b', false), get('/c')]))
  assert.deepEqual(bodies(await received(socket)), [
    '<203.0.113.9 GET /a >',
    '<203.0.113.9 GET /b >',
    '<203.0.113.9 GET /c >',
  ])
  assert.deepEqual(refused, [])
})

test('serves a kept-alive connection as that client’s to its end', async t => {
  const { port } = await open(t)
  const socket = dial(port)
  socket.write(CLIENT)
  await pause(20)
  for (const path of ['/a', '/b']) {
    socket.write(get(path, false))
    const [answer] = await once(socket, 'data')
    assert.match(String(answer), new RegExp(`<203.0.113.9 GET ${path} >`))
    await pause(10)
  }
  socket.end(get('/c'))
  assert.match(await received(socket), /<203.0.113.9 GET \/c >/)
})

test('takes it byte by byte, with the request', async t => {
  const { port } = await open(t)
  const socket = dial(port)
  const answer = received(socket)
  for (const byte of Buffer.concat([CLIENT, get('/slow')])) {
    socket.write(Buffer.from([byte]))
    await pause(1)
  }
  assert.deepEqual(bodies(await answer), ['<203.0.113.9 GET /slow >'])
})

test('however header, heads and bodies are cut, all of each request arrives, and nothing of another', async t => {
  const { port } = await open(t)
  const body = 'x'.repeat(3000)
  const post = Buffer.from(`POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  const sent = Buffer.concat([CLIENT, post, get('/a', false), get('/b')])
  const cuts = fc.array(fc.nat(sent.length), { maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(cuts, async places => {
      const socket = dial(port)
      const answer = received(socket)
      const ends = [...new Set([...places, CLIENT.length, sent.length])].sort((a, b) => a - b)
      const kept = places.length % 2 === 0 ? ends : ends.filter(end => end !== CLIENT.length)
      let from = 0
      for (const end of kept) {
        socket.write(sent.subarray(from, end))
        from = end
        await new Promise(resolve => setImmediate(resolve))
      }
      assert.deepEqual(bodies(await answer), [
        `<203.0.113.9 POST /p ${body}>`,
        '<203.0.113.9 GET /a >',
        '<203.0.113.9 GET /b >',
      ])
    }),
    { numRuns: 150 },
  )
})

test('a large body that follows at once is read with back-pressure, whole', async t => {
  const { port } = await open(t)
  const body = 'y'.repeat(2_000_000)
  const socket = dial(port)
  socket.write(CLIENT)
  socket.write(`POST /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`)
  socket.write(body)
  assert.deepEqual(bodies(await received(socket)), [`<203.0.113.9 POST /p ${body}>`])
})

test('a proxy that speaks for itself is the client', async t => {
  const { port } = await open(t)
  const socket = dial(port)
  socket.write(Buffer.concat([LOCAL, get('/health')]))
  assert.deepEqual(bodies(await received(socket)), ['<127.0.0.1 GET /health >'])
})

for (const [what, bytes, reason] of [
  ['plain HTTP', get('/a'), 'proxy_signature'],
  ['version 1', Buffer.from('PROXY TCP4 203.0.113.9 10.0.0.1 4660 443\r\n'), 'proxy_signature'],
  ['another version', proxyHeader(0x31, 0x11, [...Buffer.alloc(12)]), 'proxy_version'],
  ['another command', proxyHeader(0x2f, 0x11, [...Buffer.alloc(12)]), 'proxy_command'],
  ['a UNIX socket', proxyHeader(0x21, 0x31, [...Buffer.alloc(216)]), 'proxy_family'],
  ['an unknown family', proxyHeader(0x21, 0x00, []), 'proxy_family'],
  ['too short a header', proxyHeader(0x21, 0x11, [1, 2, 3]), 'proxy_length'],
  [
    'too long a header',
    Buffer.concat([proxyHeader(0x21, 0x11, []).fill(0xff, 14), Buffer.alloc(70_000)]),
    'proxy_length',
  ],
] as const) {
  test(`closes a connection that begins with ${what}, unanswered, and tells of it`, async t => {
    const { port, refused, connections } = await open(t)
    const socket = dial(port)
    socket.write(bytes)
    assert.equal(await received(socket), '')
    assert.deepEqual(refused, [[reason, '127.0.0.1']])
    assert.equal(connections(), 0)
  })
}

test('closes a connection of anybody but a trusted proxy, however it begins', async t => {
  const { port, refused } = await open(t)
  for (const bytes of [CLIENT, LOCAL, Buffer.from('')]) {
    const socket = dial(port, '127.0.0.2')
    socket.write(Buffer.concat([bytes, get('/a')]))
    assert.equal(await received(socket), '')
  }
  assert.deepEqual(refused, Array(3).fill(['proxy_untrusted', '127.0.0.2']))
})

for (const [what, bytes] of [
  ['nothing', Buffer.alloc(0)],
  ['half a header', CLIENT.subarray(0, 20)],
] as const) {
  test(`closes a connection that sends ${what} in time`, async t => {
    const { port, refused } = await open(t, { headTimeoutMs: 100 })
    const socket = dial(port)
    socket.write(bytes)
    assert.equal(await received(socket), '')
    assert.deepEqual(refused, [['proxy_timeout', '127.0.0.1']])
  })
}

test('a header that drips keeps its connection no longer than one that does not come', async t => {
  const { port, refused } = await open(t, { headTimeoutMs: 150 })
  const socket = dial(port)
  const began = performance.now()
  const closed = received(socket)
  const long = proxyHeader(0x21, 0x11, [...Buffer.alloc(2000)])
  let at = 0
  const drip = setInterval(() => socket.writable && socket.write(long.subarray(at, ++at)), 5)
  await closed
  clearInterval(drip)
  assert.ok(performance.now() - began < 2000)
  assert.deepEqual(refused, [['proxy_timeout', '127.0.0.1']])
})

test('one that ends or breaks before its header is told of to nobody, and leaves nothing', async t => {
  const { port, refused } = await open(t)
  for (const leave of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
    const socket = dial(port)
    await once(socket, 'connect')
    socket.write(CLIENT.subarray(0, 10))
    await pause(20)
    const closed = ended(socket)
    leave(socket.on('data', () => {}))
    await closed
  }
  const after = dial(port)
  after.write(Buffer.concat([CLIENT, get('/after')]))
  assert.deepEqual(bodies(await received(after)), ['<203.0.113.9 GET /after >'])
  assert.deepEqual(refused, [])
})

test('caps are of the client that the header names, not of the proxy', async t => {
  const capped: string[] = []
  const caps = createConnectionCaps({
    memory: createConnectionMemory(1, 100, 1),
    worker: 1,
    maxConnections: 2,
    maxNewPerSecond: 100,
    uncapped: ['127.0.0.1'],
    clock: () => 1_800_000_000_000,
  })
  const { port } = await open(t, { caps, onCapped: (source, cap) => capped.push(`${source} ${cap}`) })
  const begin = async (header: Buffer) => {
    const socket = dial(port)
    socket.write(Buffer.concat([header, get('/a', false)]))
    await Promise.race([new Promise(resolve => socket.once('data', resolve)), ended(socket)])
    return socket
  }
  const [first] = [await begin(CLIENT), await begin(CLIENT)]
  assert.equal((await begin(CLIENT)).destroyed, true)
  assert.deepEqual(capped, ['203.0.113.9 connections'])
  assert.equal((await begin(OTHER)).destroyed, false)
  for (let n = 0; n < 4; n++) assert.equal((await begin(LOCAL)).destroyed, false)
  const closed = ended(first)
  first.end()
  await closed
  await pause(20)
  assert.equal((await begin(CLIENT)).destroyed, false, 'a place is free again')
})

test('a stop waits for no header, and for the answers of those that came', async t => {
  const began = Promise.withResolvers<void>()
  const finish = Promise.withResolvers<void>()
  const listener = await open(t, {
    async handle(_req, res, client) {
      began.resolve()
      await finish.promise
      res.end(`<${client}>`)
    },
  })
  const waiting = dial(listener.port)
  waiting.write(CLIENT.subarray(0, 5))
  const running = dial(listener.port)
  running.write(Buffer.concat([CLIENT, get('/a', false)]))
  const answer = received(running)
  await began.promise
  const drained = listener.drain(5000)
  assert.equal(await received(waiting), '')
  finish.resolve()
  assert.deepEqual(bodies(await answer), ['<203.0.113.9>'])
  await drained
  assert.deepEqual(listener.refused, [], 'a stop is nobody’s fault')
})

test('any bytes after the signature end in an answer or a closed connection, and the next is served', async t => {
  const { port } = await open(t, { headTimeoutMs: 50 })
  const signature = CLIENT.subarray(0, 12)
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 4, maxLength: 60 }), async rest => {
      const socket = dial(port)
      const answer = received(socket)
      socket.end(Buffer.concat([signature, rest, get('/a')]))
      assert.ok(bodies(await answer).every(body => /^<[0-9a-f.:]+ GET \/a >$/.test(body)))
    }),
    { numRuns: 100 },
  )
  const socket = dial(port)
  socket.write(Buffer.concat([CLIENT, get('/after')]))
  assert.deepEqual(bodies(await received(socket)), ['<203.0.113.9 GET /after >'])
})
