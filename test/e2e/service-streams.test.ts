import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  Agent,
  type ClientRequest,
  createServer,
  type IncomingMessage,
  type RequestOptions,
  request,
  type Server,
  type ServerResponse,
} from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { internalActor } from '#core/actor.ts'
import { type Gateway, startGateway, until } from '../support/gateway.ts'

const MB = 1024 * 1024
type Answer = (req: IncomingMessage, res: ServerResponse) => void

let server: Server
let answer: Answer
let gateway: Gateway
let key: string
let asked = 0

before(async () => {
  server = createServer((req, res) => {
    asked++
    answer(req, res)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const yaml = `
services:
  files: { url: '${url}', path: /files, maxBodyBytes: 20000000 }
  small: { url: '${url}', path: /small, maxBodyBytes: 1000 }
  hurried: { url: '${url}', path: /hurried, timeoutMs: 300, idleTimeoutMs: 300 }
limits:
  daily: { unit: requests, amount: 3, windowSeconds: 86400, operations: [small.read] }
  money-of-nobody: { unit: tokens, amount: 1, windowSeconds: 60 }
budgets:
  none-left: { unit: usd, amount: 0.000001, period: day }
audit: { mode: durable }
`
  gateway = await startGateway({ yaml, env: { OSTIARY_REQUESTS_TIMEOUT_MS: '5000' } })
  const scopes = ['files', 'small', 'hurried'].flatMap(name => [`${name}:read`, `${name}:write`])
  const minted = await gateway.ostiary.keys.mint({ name: 'k', environment: 'live', scopes }, internalActor('test'))
  key = minted.secret.reveal()
})

after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  server?.closeAllConnections()
  server?.close()
})

beforeEach(() => {
  asked = 0
  answer = echo
})

const echo: Answer = (req, res) => {
  res.writeHead(200, { 'content-type': 'application/octet-stream' })
  req.pipe(res)
}

/** Reads and counts what it is sent, then says how much that was. */
const count: Answer = (req, res) => {
  let size = 0
  req.on('data', (chunk: Buffer) => {
    size += chunk.length
  })
  req.on('end', () => res.end(String(size)))
}

function open(path: string, options: RequestOptions = {}): ClientRequest {
  const headers = { 'x-ostiary-key': key, ...(options.headers as Record<string, string>) }
  const req = request(`${gateway.url}${path}`, { method: 'POST', agent: false, ...options, headers })
  req.once('response', res =>
    heads.set(
      req,
      res.on('error', () => {}),
    ),
  )
  return req.on('error', () => {})
}

/** Those that came before anybody asked for them. */
const heads = new WeakMap<ClientRequest, IncomingMessage>()

async function head(req: ClientRequest): Promise<IncomingMessage> {
  if (!heads.has(req)) await once(req, 'response')
  return heads.get(req) as IncomingMessage
}

async function drain(res: IncomingMessage): Promise<{ size: number; text: string; whole: boolean }> {
  let size = 0
  let text = ''
  res.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size < 4096) text += chunk
  })
  if (!res.closed) await new Promise(resolve => res.on('close', resolve))
  return { size, text, whole: res.complete }
}

async function send(path: string, body: string | Buffer, options: RequestOptions = {}) {
  const req = open(path, options)
  req.end(body)
  const res = await head(req)
  return { status: res.statusCode, headers: res.headers, ...(await drain(res)) }
}

const eventOf = async (res: IncomingMessage) => gateway.event(String(res.headers['x-request-id']))

describe('a body', () => {
  test('of 10 MB is passed through both ways at once, whole', async () => {
    const req = open('/files/echo')
    const chunk = Buffer.alloc(MB / 4, 'abcdefgh')
    let sent = 0
    const write = () => {
      while (sent < 10 * MB) {
        sent += chunk.length
        if (!req.write(chunk)) return req.once('drain', write)
      }
      return req.end()
    }
    write()
    const res = await head(req)
    const { size, whole } = await drain(res)
    assert.deepEqual([size, whole], [10 * MB, true])
    const event = await eventOf(res)
    assert.deepEqual([event.bytesIn, event.bytesOut, event.outcome], [10 * MB, 10 * MB, 'completed'])
  })

  test('waits for a service that does not read, and is not gathered meanwhile', async () => {
    const { promise: started, resolve: start } = Promise.withResolvers<IncomingMessage>()
    answer = req => start(req)
    const req = open('/files/slow')
    const chunk = Buffer.alloc(64 * 1024)
    let accepted = 0
    const pump = () => {
      while (accepted < 19 * MB) {
        accepted += chunk.length
        if (!req.write(chunk)) return
      }
    }
    req.on('drain', pump)
    pump()
    await started
    // As much as the sockets' buffers hold on both sides, and a little here.
    const settled = await until('the flow to stop', async () => {
      const before = accepted
      await pause(300)
      return accepted === before && accepted
    })
    assert.ok(settled < 18 * MB, `${settled} bytes were taken of a service that reads none`)
    req.destroy()
  })

  test('of a slow reader waits at the service, and is not gathered meanwhile', async () => {
    let written = 0
    answer = (_req, res) => {
      const chunk = Buffer.alloc(64 * 1024)
      const pump = () => {
        while (written < 64 * MB) {
          written += chunk.length
          if (!res.write(chunk)) return
        }
        res.end()
      }
      res.on('drain', pump)
      pump()
    }
    const res = await head(open('/files/big', { method: 'GET' }).end())
    const stopped = await until('the flow to stop', async () => {
      const before = written
      await pause(300)
      return written === before && written
    })
    assert.ok(stopped < 32 * MB, `${stopped} bytes were sent to a caller that reads none`)
    assert.deepEqual(await drain(res), { size: 64 * MB, text: '', whole: true })
  })

  test('beyond the bound of its service is refused, told or counted', async () => {
    const told = await send('/small/a', Buffer.alloc(1001))
    assert.equal(told.status, 413)
    assert.equal(JSON.parse(told.text).code, 'request.too_large')
    assert.equal(asked, 0)
    answer = count
    const req = open('/small/a')
    req.write(Buffer.alloc(600))
    await until('the service to be asked', () => asked === 1)
    req.end(Buffer.alloc(600))
    const res = await head(req)
    assert.equal(res.statusCode, 413)
    assert.equal((await send('/small/a', Buffer.alloc(1000))).status, 200)
  })

  test('is asked for only when somebody wants it', async () => {
    answer = count
    const req = open('/files/a', { headers: { expect: '100-continue', 'content-length': '5' } })
    req.flushHeaders()
    await once(req, 'continue')
    req.end('hello')
    const res = await head(req)
    assert.equal((await drain(res)).text, '5')
    const refused = open('/nothing', { headers: { expect: '100-continue', 'content-length': '5' } })
    refused.flushHeaders()
    refused.on('continue', () => assert.fail('nobody wants it'))
    assert.equal((await head(refused)).statusCode, 404)
    refused.destroy()
  })

  test('that breaks off reaches the service as broken', async () => {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    answer = req => {
      req.on('close', () => resolve(req.complete))
      req.resume().on('error', () => {})
    }
    const req = open('/files/a', { headers: { 'content-length': '100' } })
    req.write('only this')
    await until('the service to be asked', () => asked === 1)
    req.destroy()
    assert.equal(await promise, false)
    const event = await until('the event', async () =>
      (await gateway.events()).find(({ outcome }) => outcome === 'caller_hung_up'),
    )
    assert.equal(event.problem, 'request.caller_hung_up')
  })

  test('that does not come in time is told of', async () => {
    answer = req => void req.resume().on('error', () => {})
    const req = open('/files/a', { headers: { 'content-length': '100' } })
    req.write('only this')
    assert.equal((await head(req)).statusCode, 408)
  })
})

describe('an answer', () => {
  test('that comes before the body’s end is passed on', async () => {
    answer = (req, res) => {
      res.writeHead(403, { connection: 'close' }).end('enough')
      req.on('error', () => {})
    }
    const req = open('/files/a', { headers: { 'content-length': String(15 * MB) } })
    req.write(Buffer.alloc(64 * 1024))
    const res = await head(req)
    assert.equal(res.statusCode, 403)
    assert.equal(res.headers['x-ostiary-upstream-status'], '403')
    assert.equal((await drain(res)).text, 'enough')
    req.destroy()
  })

  test('begins with its head, whenever its body comes', async () => {
    const { promise, resolve } = Promise.withResolvers<ServerResponse>()
    answer = (_req, res) => {
      res.flushHeaders()
      resolve(res)
    }
    const res = await head(open('/files/a', { method: 'GET' }).end())
    assert.equal(res.statusCode, 200)
    const service = await promise
    service.write('one')
    const [first] = (await once(res, 'data')) as [Buffer]
    assert.equal(first.toString(), 'one')
    service.end()
    await once(res, 'end')
  })

  test('is compressed as it came, and 204, 304 and HEAD have no body', async () => {
    answer = (_req, res) => res.writeHead(200, { 'content-encoding': 'gzip', 'content-length': '4' }).end('gzip')
    assert.deepEqual((await send('/files/a', '')).headers['content-encoding'], 'gzip')
    const headed = await send('/files/a', '', { method: 'HEAD' })
    assert.deepEqual([headed.headers['content-length'], headed.size, headed.whole], ['4', 0, true])
    for (const status of [204, 304]) {
      answer = (_req, res) => res.writeHead(status, { etag: '"1"' }).end()
      const reply = await send('/files/a', '', { method: 'GET' })
      assert.deepEqual([reply.status, reply.size, reply.headers.etag], [status, 0, '"1"'])
    }
  })

  test('after interim ones is passed on alone', async () => {
    answer = (_req, res) => {
      res.writeEarlyHints({ link: '</a>; rel=preload' })
      res.writeProcessing()
      res.end('final')
    }
    assert.equal((await send('/files/a', '')).text, 'final')
  })

  test('that breaks off is broken off, and one that never comes is told of', async () => {
    answer = (_req, res) => {
      res.writeHead(200, { 'content-length': '100' })
      res.write('part', () => res.destroy())
    }
    const res = await head(open('/files/a', { method: 'GET' }).end())
    assert.equal((await drain(res)).whole, false)
    const event = await eventOf(res)
    assert.deepEqual([event.outcome, event.problem], ['upstream_failed', 'upstream.broken'])
    answer = (_req, res) => res.destroy()
    assert.equal((await send('/files/a', '', { method: 'GET' })).status, 502)
    answer = () => {}
    assert.equal((await send('/hurried/a', '', { method: 'GET' })).status, 504)
    answer = (_req, res) => void res.write('begun')
    assert.equal((await send('/hurried/a', '', { method: 'GET' })).whole, false)
  })

  test('is given up when its caller hangs up', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    answer = (_req, res) => {
      res.write('begun')
      res.on('close', resolve)
    }
    const req = open('/files/a', { method: 'GET' }).end()
    const res = await head(req)
    req.destroy()
    await promise
    assert.equal((await eventOf(res)).outcome, 'caller_hung_up')
  })
})

test('a slow upload is not late for a service in a hurry', async () => {
  answer = count
  const req = open('/hurried/a')
  for (let i = 0; i < 8; i++) {
    req.write('x')
    await pause(100)
  }
  req.end()
  assert.equal((await drain(await head(req))).text, '8')
})

test('two hundred streams at once keep apart', async () => {
  const agent = new Agent({ keepAlive: true })
  const streams = Array.from({ length: 200 }, async (_, i) => {
    const text = `${i} `.repeat(5000)
    const req = open('/files/echo', { agent })
    req.write(text.slice(0, 1000))
    await pause(i % 10)
    req.end(text.slice(1000))
    let heard = ''
    const res = await head(req)
    for await (const chunk of res.setEncoding('latin1')) heard += chunk
    return heard === text
  })
  assert.deepEqual(new Set(await Promise.all(streams)), new Set([true]))
  agent.destroy()
})

test('rates over a day bound calls to services, tokens and money do not', async () => {
  for (let i = 0; i < 3; i++) assert.equal((await send('/small/a', '', { method: 'GET' })).status, 200)
  const refused = await send('/small/a', '', { method: 'GET' })
  assert.equal(refused.status, 429)
  assert.match(String(refused.headers['ratelimit-policy']), /"daily";q=3;w=86400/)
  assert.equal((await send('/files/a', '', { method: 'GET' })).status, 200)
  const own = await send('/ostiary/key?operation=small.read', '', { method: 'GET' })
  assert.match(own.text, /"name":"daily".*"remaining":0/)
  assert.equal((await send('/ostiary/key?operation=small.none', '', { method: 'GET' })).status, 404)
})

test('a service that is killed in the middle costs its own calls, and nothing else', async () => {
  const script = `
    require('node:http').createServer((req, res) => { res.writeHead(200); res.write('begun') })
      .listen(0, '127.0.0.1', function () { console.log(this.address().port) })`
  const child: ChildProcess = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  const yaml = `services: { mortal: { url: 'http://127.0.0.1:${line.toString().trim()}', path: /mortal } }\n`
  await using other = await startGateway({ yaml })
  const scopes = ['mortal:read']
  const minted = await other.ostiary.keys.mint({ name: 'k', environment: 'live', scopes }, internalActor('test'))
  const { hostname, port } = new URL(other.url)
  const sockets: Socket[] = []
  const heard: string[] = []
  for (let i = 0; i < 20; i++) {
    const socket = connect(Number(port), hostname).on('error', () => {})
    heard.push('')
    socket.on('data', chunk => {
      heard[i] = heard[i] + chunk.toString()
    })
    socket.write(`GET /mortal/${i} HTTP/1.1\r\nHost: x\r\nX-Ostiary-Key: ${minted.secret.reveal()}\r\n\r\n`)
    sockets.push(socket)
  }
  await until('all to have begun', () => heard.every(text => text.includes('begun')))
  child.kill('SIGKILL')
  await until('all to have ended', () => sockets.every(({ destroyed }) => destroyed))
  const events = await other.events(20)
  assert.ok(events.every(({ problem }) => problem === 'upstream.broken'))
  const after = await new Promise<number>(resolve => {
    request(`${other.url}/mortal/again`, { headers: { 'x-ostiary-key': minted.secret.reveal() } }, res =>
      resolve(res.resume().statusCode ?? 0),
    ).end()
  })
  assert.equal(after, 502)
})
