import assert from 'node:assert/strict'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { type TestContext, test } from 'node:test'
import type { Exchange, ProviderRequest, ReplyHeaders } from '#core/exchange.ts'
import type { Problem } from '#core/problems.ts'
import { createUpstream, isPrivateAddress, type Upstream, type UpstreamOptions } from './upstream.ts'

const REQUEST: ProviderRequest = {
  method: 'POST',
  path: '/v1/x?y=1',
  headers: { 'content-type': 'application/json', 'x-own': 'a' },
  body: Buffer.from('{"a":1}'),
}

/** What a sink heard, in order; `data` calls answer `more`. */
class Heard {
  readonly log: string[] = []
  status = 0
  headers: ReplyHeaders = {}
  bytes = 0
  error: Problem | undefined
  more = true
  readonly over: Promise<void>
  readonly #over = Promise.withResolvers<void>()
  readonly #head = Promise.withResolvers<void>()
  readonly head: Promise<void> = this.#head.promise

  constructor() {
    this.over = this.#over.promise
  }

  onHead(status: number, headers: ReplyHeaders): void {
    this.log.push('head')
    this.status = status
    this.headers = headers
    this.#head.resolve()
  }

  onData(chunk: Buffer): boolean {
    if (this.log.at(-1) !== 'data') this.log.push('data')
    this.bytes += chunk.length
    return this.more
  }

  onEnd(): void {
    this.log.push('end')
    this.#over.resolve()
  }

  onError(error: Error): void {
    this.log.push('error')
    this.error = error as Problem
    this.#over.resolve()
  }
}

async function listen(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A server below HTTP: what it sends is up to `talk`. */
async function listenRaw(t: TestContext, talk: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createTcpServer(socket => {
    sockets.add(socket.on('error', () => {}))
    talk(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function openUpstream(t: TestContext, port: number, over: Partial<UpstreamOptions> = {}): Upstream {
  const upstream = createUpstream({
    origin: `http://127.0.0.1:${port}`,
    connections: 2,
    connectTimeoutMs: 2000,
    timeoutMs: 5000,
    idleTimeoutMs: 5000,
    allowPrivateNetwork: false,
    ...over,
  })
  t.after(() => upstream[Symbol.asyncDispose]().then(undefined, () => {}))
  return upstream
}

async function exchange(upstream: Upstream): Promise<Heard> {
  const heard = new Heard()
  upstream.send(REQUEST, heard)
  await heard.over
  return heard
}

test('sends the request as it is and gives head, data, end in this order', async t => {
  let got = {}
  const port = await listen(t, async (req, res) => {
    let body = ''
    for await (const chunk of req) body += chunk
    const { host: _, connection: __, ...headers } = req.headers
    got = { method: req.method, url: req.url, headers, body }
    res.writeHead(418, { 'x-a': 'b', 'set-cookie': ['c', 'd'] })
    res.end('short and stout')
  })
  const heard = await exchange(openUpstream(t, port))
  assert.deepEqual(got, {
    method: 'POST',
    url: '/v1/x?y=1',
    headers: { 'content-type': 'application/json', 'x-own': 'a', 'content-length': '7' },
    body: '{"a":1}',
  })
  assert.deepEqual(heard.log, ['head', 'data', 'end'])
  assert.equal(heard.status, 418)
  assert.equal(heard.headers['x-a'], 'b')
  assert.deepEqual(heard.headers['set-cookie'], ['c', 'd'])
  assert.equal(heard.bytes, 15)
})

test('gives the head before the body comes, and skips interim answers', async t => {
  let finish = () => {}
  const port = await listen(t, (_req, res) => {
    res.writeEarlyHints({ link: '</a>; rel=preload' })
    res.writeProcessing()
    res.flushHeaders()
    finish = () => res.end()
  })
  const heard = new Heard()
  openUpstream(t, port).send(REQUEST, heard)
  await heard.head
  assert.deepEqual(heard.log, ['head'])
  assert.equal(heard.status, 200)
  finish()
  await heard.over
  assert.deepEqual(heard.log, ['head', 'end'])
})

test('a sink that wants no more stops the provider’s socket, and lets it go on later, to the last byte', async t => {
  const TOTAL = 50 * 1024 * 1024
  const chunk = Buffer.alloc(64 * 1024)
  let accepted = 0
  const stalled = Promise.withResolvers<void>()
  const port = await listen(t, async (_req, res) => {
    while (accepted < TOTAL) {
      accepted += chunk.length
      if (res.write(chunk)) continue
      // A socket that takes nothing for this long has stalled.
      const patience = setTimeout(stalled.resolve, 500)
      await once(res, 'drain')
      clearTimeout(patience)
    }
    res.end()
  })
  const heard = new Heard()
  heard.more = false
  const running = openUpstream(t, port).send(REQUEST, heard)
  await heard.head
  await stalled.promise
  assert.ok(heard.bytes < 1024 * 1024, `${heard.bytes} bytes came to a sink that wanted none`)
  assert.ok(accepted < TOTAL / 2, `${accepted} bytes left the provider`)
  heard.more = true
  running.resume()
  await heard.over
  assert.deepEqual(heard.log, ['head', 'data', 'end'])
  assert.equal(heard.bytes, TOTAL)
})

/** Starts an exchange at a server that never ends its answer; resolves when `until` has come. */
async function running(t: TestContext, until: 'request' | 'head' | 'data') {
  const asked = Promise.withResolvers<ServerResponse>()
  const port = await listen(t, (_req, res) => {
    if (until !== 'request') res.flushHeaders()
    if (until === 'data') res.write('x')
    asked.resolve(res)
  })
  const heard = new Heard()
  const upstream = openUpstream(t, port)
  const sent: Exchange = upstream.send(REQUEST, heard)
  const res = await asked.promise
  if (until !== 'request') await heard.head
  return { heard, sent, res, upstream }
}

for (const until of ['request', 'head', 'data'] as const) {
  test(`an exchange stopped after the ${until} ends the provider’s connection, and the sink hears nothing more`, async t => {
    const { heard, sent, res } = await running(t, until)
    const before = [...heard.log]
    const closed = once(res, 'close')
    sent.abort()
    await closed
    sent.abort()
    sent.resume()
    assert.deepEqual(heard.log.slice(0, before.length), before)
    assert.ok(!heard.log.includes('error') && !heard.log.includes('end'), heard.log.join())
  })
}

test('an exchange stopped before its turn is never sent', async t => {
  let requests = 0
  let answer = () => {}
  const port = await listen(t, (_req, res) => {
    requests++
    answer = () => res.end()
    if (requests > 1) answer()
  })
  const upstream = openUpstream(t, port, { connections: 1 })
  const [first, stopped, last] = [new Heard(), new Heard(), new Heard()]
  upstream.send(REQUEST, first)
  upstream.send(REQUEST, stopped).abort()
  upstream.send(REQUEST, last)
  while (requests === 0) await new Promise(resolve => setImmediate(resolve))
  answer()
  await last.over
  assert.equal(requests, 2)
  assert.deepEqual([first.log, stopped.log, last.log], [['head', 'end'], [], ['head', 'end']])
})

const failures: Readonly<Record<string, readonly [(socket: Socket) => void, code: string, log: string]>> = {
  'closes at once': [socket => socket.end(), 'upstream.broken', 'error'],
  'resets before the head': [socket => socket.once('data', () => socket.resetAndDestroy()), 'upstream.broken', 'error'],
  'resets in the body': [
    socket =>
      socket.once('data', () =>
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx', () => socket.resetAndDestroy()),
      ),
    'upstream.broken',
    'head,data,error',
  ],
  'ends before the declared length': [
    socket => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx')),
    'upstream.broken',
    'head,data,error',
  ],
  'ends before the last chunk': [
    socket => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n')),
    'upstream.broken',
    'head,data,error',
  ],
  'speaks no HTTP': [socket => socket.end('SSH-2.0-OpenSSH_9.9\r\n'), 'upstream.broken', 'error'],
  'sends an endless head': [
    socket => socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}`)),
    'upstream.broken',
    'error',
  ],
  'switches protocols unasked': [
    socket =>
      socket.once('data', () => socket.write('HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n')),
    'upstream.broken',
    'error',
  ],
  'sends no head in time': [() => {}, 'upstream.timeout', 'error'],
  'stops in the body': [
    socket => socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx')),
    'upstream.timeout',
    'head,data,error',
  ],
}

for (const [what, [talk, code, log]] of Object.entries(failures)) {
  test(`answers ${code} for a provider that ${what}`, async t => {
    const port = await listenRaw(t, talk)
    const slow = code === 'upstream.timeout' ? { timeoutMs: 100, idleTimeoutMs: 100 } : {}
    const heard = await exchange(openUpstream(t, port, slow))
    assert.equal(heard.error?.code, code)
    assert.equal(heard.log.join(), log)
  })
}

async function freePort(t: TestContext): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const closed = once(server, 'close')
  server.close()
  await closed
  t.diagnostic(`port ${port}`)
  return port
}

test('answers upstream.unreachable where nobody listens, on one address or on every address of a name', async t => {
  const port = await freePort(t)
  for (const origin of [`http://127.0.0.1:${port}`, `http://localhost:${port}`]) {
    assert.equal((await exchange(openUpstream(t, 0, { origin }))).error?.code, 'upstream.unreachable')
  }
})

test('answers upstream.unreachable for a name that does not exist', async t => {
  const heard = await exchange(openUpstream(t, 0, { origin: 'http://nothing.invalid' }))
  assert.equal(heard.error?.code, 'upstream.unreachable')
})

test('counts the wait for a free connection into the time up to the head', { timeout: 8000 }, async t => {
  const port = await listen(t, (_req, res) => res.flushHeaders())
  const upstream = openUpstream(t, port, { connections: 1, timeoutMs: 300, idleTimeoutMs: 60_000 })
  const first = new Heard()
  const blocking = upstream.send(REQUEST, first)
  await first.head
  t.after(() => blocking.abort())
  assert.equal((await exchange(upstream)).error?.code, 'upstream.timeout')
})

for (const status of [300, 301, 302, 303, 307, 308]) {
  test(`refuses a ${status} and never follows it`, async t => {
    let requests = 0
    const port = await listen(t, (_req, res) => {
      requests++
      res.writeHead(status, { location: '/elsewhere' }).end('moved')
    })
    const heard = await exchange(openUpstream(t, port))
    assert.deepEqual([heard.error?.code, heard.error?.reason], ['upstream.broken', 'redirect'])
    assert.deepEqual([heard.log, requests], [['error'], 1])
  })
}

test('a name that leads to a private address is refused at connect, unless config allows it', async t => {
  const name = hostname()
  const { address } = await lookup(name).catch(() => ({ address: '' }))
  if (!address.startsWith('127.')) return t.skip(`${name} does not lead to 127.0.0.0/8`)
  let requests = 0
  const port = await listen(t, (_req, res) => {
    requests++
    res.end()
  })
  const origin = `http://${name}:${port}`
  const refused = await exchange(openUpstream(t, 0, { origin }))
  assert.deepEqual([refused.error?.code, requests], ['upstream.address_refused', 0])
  const allowed = await exchange(openUpstream(t, 0, { origin, allowPrivateNetwork: true }))
  assert.deepEqual([allowed.status, requests], [200, 1])
})

test('an address or localhost in the origin is named by config, and allowed', async t => {
  const port = await listen(t, (_req, res) => res.end())
  for (const origin of [`http://127.0.0.1:${port}`, `http://localhost:${port}`, `http://LOCALHOST:${port}`]) {
    assert.equal((await exchange(openUpstream(t, 0, { origin }))).status, 200)
  }
})

test('disposing waits for the running exchange', async t => {
  const { heard, res, upstream } = await running(t, 'data')
  const disposed = upstream[Symbol.asyncDispose]().then(() => heard.log.push('disposed'))
  await new Promise(resolve => setImmediate(resolve))
  res.end('rest')
  await disposed
  assert.deepEqual(heard.log, ['head', 'data', 'end', 'disposed'])
})

const privateAddresses = [
  ['0.0.0.0', '10.0.0.1', '10.255.255.255', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254'],
  ['172.16.0.1', '172.31.255.255', '192.0.0.1', '192.0.2.1', '192.168.1.1', '198.18.0.1', '198.19.255.255'],
  ['198.51.100.1', '203.0.113.1', '224.0.0.1', '240.0.0.1', '255.255.255.255', '192.88.99.1'],
  ['::', '::1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:a9fe:a9fe', '0:0:0:0:0:ffff:7f00:1', '::127.0.0.1'],
  ['64:ff9b::7f00:1', '64:ff9b::10.0.0.1', '64:ff9b::8.8.8.8', '64:ff9b:1::1', '100::1', '2001::1', '2001:db8::1'],
  ['2002:7f00:1::', '2002:0a00:0001::1', 'fc00::1', 'fd12:3456::1', 'fe80::1', 'febf::1', 'ff02::1', 'fe80::1%lo'],
  ['fec0::1', '5f00::1', '3fff::1'],
  ['', 'localhost', '127.1', '2130706433', '0x7f000001', '[::1]', '1.2.3.4:80', '010.0.0.1'],
].flat()

const publicAddresses = [
  ['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255', '128.0.0.1'],
  ['169.253.0.1', '169.255.0.1', '172.15.255.255', '172.32.0.0', '192.167.0.1', '198.17.0.1', '198.20.0.1'],
  ['223.255.255.255', '2606:4700::1111', '2a00:1450::1', '2400::1', '2001:4860:4860::8888', '::ffff:8.8.8.8'],
  ['::ffff:0808:0808'],
].flat()

for (const address of privateAddresses) {
  test(`${JSON.stringify(address)} is a private address`, () => assert.equal(isPrivateAddress(address), true))
}

for (const address of publicAddresses) {
  test(`${address} is a public address`, () => assert.equal(isPrivateAddress(address), false))
}
