import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import { type Gateway, startGateway, until } from '../support/gateway.ts'
import { accept, startWebSocketServer, type WebSocketServer, writeFrame } from '../support/web-socket-server.ts'

let upstream: WebSocketServer
let gateway: Gateway
let connector: string
let reader: string

const yamlOf = (url: string) =>
  `
services:
  chat: { url: ${url}, path: /talk, webSocket: true, idleTimeoutMs: 1500 }
  closed: { url: ${url}, path: /closed }
  admin:
    url: ${url}
    path: /admin
    webSocket: true
    operations: { secret: { paths: [/secret/**], deny: [127.0.0.0/8] }, fine: { paths: [/fine/**] } }
limits:
  four-at-once: { unit: concurrency, amount: 4, per: [key], operations: [talk.connect] }
`.replace('  chat:', '  talk:')

async function mint(scopes: string[], lifetimeMs?: number): Promise<string> {
  const key = { name: 'k', environment: 'live' as const, scopes, ...(lifetimeMs !== undefined && { lifetimeMs }) }
  return (await gateway.ostiary.keys.mint(key, internalActor('test'))).secret.reveal()
}

before(async () => {
  upstream = await startWebSocketServer()
  gateway = await startGateway({ yaml: yamlOf(upstream.url) })
  connector = await mint(['talk:connect', 'talk:read'])
  reader = await mint(['talk:read', 'closed:read'])
})

after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await upstream?.[Symbol.asyncDispose]()
})

const original = { answer: null as WebSocketServer['answer'] | null }
beforeEach(() => {
  original.answer ??= upstream.answer
  upstream.answer = original.answer
  upstream.handshakes.splice(0)
  upstream.sockets.splice(0)
})

function open(path: string, key: string, protocols: string[] = []): WebSocket {
  const options = { protocols, headers: { 'x-ostiary-key': key } }
  return new WebSocket(gateway.url.replace('http', 'ws') + path, options as unknown as string[])
}

async function talk(socket: WebSocket, text: string): Promise<string> {
  const heard = once(socket, 'message')
  socket.send(text)
  const [message] = (await heard) as [MessageEvent]
  return message.data
}

/** A handshake below HTTP, and all that is answered. */
function dial(path: string, key: string, ...lines: string[]): { socket: Socket; heard: () => string } {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  let text = ''
  socket.setEncoding('latin1').on('data', chunk => {
    text += chunk
  })
  const head = [
    `GET ${path} HTTP/1.1`,
    'Host: x',
    `X-Ostiary-Key: ${key}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...lines,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  return { socket, heard: () => text }
}

describe('a WebSocket', () => {
  test('carries messages both ways, and is one call', async () => {
    const socket = open('/talk/room/1?a=b', connector)
    await once(socket, 'open')
    assert.equal(await talk(socket, 'hello'), 'hello')
    assert.equal(await talk(socket, 'x'.repeat(200_000)), 'x'.repeat(200_000))
    const closed = once(socket, 'close')
    socket.close(1000, 'done')
    const [close] = (await closed) as [CloseEvent]
    assert.equal(close.code, 1000)
    const [handshake] = upstream.handshakes
    assert.equal(handshake?.url, '/room/1?a=b')
    assert.equal(handshake?.headers['x-ostiary-key'], undefined)
    assert.equal(handshake?.headers['x-forwarded-for'], '127.0.0.1')
    const [event] = await gateway.events()
    assert.equal(event?.route, 'talk.connect')
    assert.equal(event?.status, 101)
    assert.equal(event?.outcome, 'completed')
    assert.deepEqual(event?.service, { name: 'talk', operation: 'connect', path: '/room/1' })
    assert.ok((event?.bytesIn ?? 0) > 200_000 && (event?.bytesOut ?? 0) > 200_000)
  })

  test('needs the scope to connect, and a service that takes it', async () => {
    const refused = dial('/talk', reader)
    await once(refused.socket, 'close')
    assert.match(refused.heard(), /^HTTP\/1\.1 403 Forbidden\r\n/)
    assert.match(refused.heard(), /"code":"policy\.scope"/)
    assert.match(refused.heard(), /connection: close/i)
    const unknown = dial('/talk', 'sk-nobody')
    await once(unknown.socket, 'close')
    assert.match(unknown.heard(), /^HTTP\/1\.1 401 .*www-authenticate: Bearer/s)
    const plain = dial('/closed', reader)
    await once(plain.socket, 'close')
    assert.match(plain.heard(), /^HTTP\/1\.1 426 /)
    assert.equal(upstream.handshakes.length, 0)
  })

  test('needs whatever the same request needs without the upgrade', async () => {
    const refusalOf = async (path: string, scopes: string[]) => {
      const { socket, heard } = dial(path, await mint(scopes))
      await once(socket, 'close')
      assert.match(heard(), /^HTTP\/1\.1 403 /)
      const id = /x-request-id: (\S+)/i.exec(heard())?.[1] ?? ''
      const { route, problem } = await gateway.event(id)
      return [route, problem]
    }
    assert.deepEqual(await refusalOf('/talk', ['talk:connect']), ['talk.read', 'policy.scope'])
    assert.deepEqual(await refusalOf('/admin/fine/a', ['admin:connect', 'admin:read']), ['admin.fine', 'policy.scope'])
    const both = ['admin:connect', 'admin:secret']
    assert.deepEqual(await refusalOf('/admin/secret/a', both), ['admin.secret', 'policy.address'])
    assert.equal(upstream.handshakes.length, 0)
    const { socket, heard } = dial('/admin/fine/a', await mint(['admin:connect', 'admin:fine']))
    await until('the answer', () => heard().includes('101'))
    socket.destroy()
  })

  for (const method of ['POST', 'HEAD', 'DELETE']) {
    test(`is not asked for by ${method}`, async () => {
      const { hostname, port } = new URL(gateway.url)
      const key = await mint(['talk:connect', 'talk:read', 'talk:write'])
      for (const sign of ['Upgrade: websocket', 'Sec-WebSocket-Key: x', 'Upgrade: h2c, WebSocket']) {
        const socket = connect(Number(port), hostname).on('error', () => {})
        let heard = ''
        socket.setEncoding('latin1').on('data', chunk => {
          heard += chunk
        })
        const lines = [`${method} /talk/a HTTP/1.1`, 'Host: x', `X-Ostiary-Key: ${key}`, 'Connection: close', sign]
        socket.write(`${lines.join('\r\n')}\r\n\r\n`)
        await once(socket, 'close')
        assert.match(heard, /^HTTP\/1\.1 400 /, sign)
      }
      assert.equal(upstream.handshakes.length, 0)
    })
  }

  test('passes on what the service answers instead', async () => {
    upstream.answer = (_req, socket) => {
      socket.end('HTTP/1.1 403 Forbidden\r\nX-Why: full\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfull')
    }
    const { socket, heard } = dial('/talk', connector)
    socket.write('GET /talk/smuggled HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(socket, 'close')
    assert.match(heard(), /^HTTP\/1\.1 403 Forbidden\r\n.*x-why: full.*\r\n\r\nfull$/is)
    assert.equal(upstream.handshakes.length, 1)
  })

  test('is not opened to a service that switches to something else', async () => {
    upstream.answer = (_req, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n')
    }
    const { socket, heard } = dial('/talk', connector)
    await once(socket, 'close')
    assert.match(heard(), /^HTTP\/1\.1 502 /)
    await until('the service to be let go', () => upstream.sockets[0]?.destroyed)
  })

  test('ends with the service, with what it said last, and with the caller', async () => {
    upstream.answer = (req, socket) => {
      accept(req, socket, 'Sec-WebSocket-Protocol: soap')
      socket.end(Buffer.concat([writeFrame(1, Buffer.from('bye')), writeFrame(8, Buffer.from([3, 232]))]))
    }
    const { socket, heard } = dial('/talk', connector, 'Sec-WebSocket-Protocol: soap')
    await once(socket, 'close')
    assert.match(heard(), /sec-websocket-protocol: soap/i)
    assert.match(heard(), /bye/)

    upstream.answer = (req, service) => accept(req, service)
    const second = dial('/talk', connector)
    await until('the answer', () => second.heard().includes('101'))
    second.socket.resetAndDestroy()
    await until('the service to hear of it', () => upstream.sockets.every(service => service.destroyed))
  })

  test('ends when nothing passes', async () => {
    upstream.answer = (req, service) => accept(req, service)
    const { socket, heard } = dial('/talk', connector)
    await until('the answer', () => heard().includes('101'))
    const begun = performance.now()
    await once(socket, 'close')
    assert.ok(performance.now() - begun > 1000)
  })

  test('ends when the credential does', async () => {
    const brief = await mint(['talk:connect', 'talk:read'], 1000)
    const socket = open('/talk', brief)
    await once(socket, 'open')
    const closed = once(socket, 'close')
    const ping = setInterval(() => socket.send('still here'), 100)
    await closed
    clearInterval(ping)
    const event = await until('the event', async () =>
      (await gateway.events()).find(({ reason }) => reason === 'expired'),
    )
    assert.equal(event.status, 101)
    assert.equal(event.problem, 'auth.invalid_credential')
  })

  test('counts as a call under way', async () => {
    upstream.answer = (req, service) => accept(req, service)
    const held = Array.from({ length: 4 }, () => dial('/talk', connector))
    await until('four', () => held.every(({ heard }) => heard().includes('101')))
    const fifth = dial('/talk', connector)
    await once(fifth.socket, 'close')
    assert.match(fifth.heard(), /^HTTP\/1\.1 429 /)
    for (const { socket } of held) socket.destroy()
    await until('room', async () => {
      const next = dial('/talk', connector)
      await until('an answer', () => next.heard() !== '')
      next.socket.destroy()
      return next.heard().includes('101')
    })
  })
})
