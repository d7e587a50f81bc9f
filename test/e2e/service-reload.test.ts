import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { bootstrapToken } from '../support/process.ts'
import { startProvider } from '../support/provider.ts'
import { accept, startWebSocketServer } from '../support/web-socket-server.ts'

async function mint(gateway: Gateway, scopes: string[]): Promise<string> {
  const key = { name: 'k', environment: 'live' as const, scopes }
  return (await gateway.ostiary.keys.mint(key, internalActor('test'))).secret.reveal()
}

test('a reload brings services and takes them away; calls under way keep theirs', async () => {
  await using upstream = await startProvider()
  const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>()
  upstream.answer = async ({ path }, res) => {
    if (path === '/slow') await mayEnd
    res.end(path)
  }
  const yaml = `services: { first: { url: '${upstream.url}', path: /first } }\n`
  await using gateway = await startGateway({ yaml })
  const key = await mint(gateway, ['first:read'])
  const get = (path: string, as = key) =>
    ask(`${gateway.url}${path}`, { method: 'GET', headers: { 'x-ostiary-key': as } })
  await assert.rejects(mint(gateway, ['second:read']), /is no scope/)
  const slow = get('/first/slow')
  await until('the service to be asked', () => upstream.requests.length === 1)
  await writeFile(gateway.configFile, `services: { second: { url: '${upstream.url}', path: /second } }\n`)
  await gateway.ostiary.reload('test')
  const other = await mint(gateway, ['second:read'])
  assert.equal((await get('/second/x', other)).text, '/x')
  assert.equal((await get('/first/x')).status, 404)
  end()
  assert.equal((await slow).text, '/slow')
  const headers = { authorization: `Bearer ${bootstrapToken(gateway.dataDirectory)}` }
  const metrics = await until('the calls to be counted', async () => {
    const { text } = await ask(`${gateway.adminUrl}/metrics`, { method: 'GET', headers })
    return /ostiary_calls_total\{route="service",outcome="completed"\} 2/.test(text) && text
  })
  assert.doesNotMatch(metrics, /route="(?:first|second)/)
})

test('a gateway that stops waits for WebSockets as long as for any call, then closes them', async () => {
  await using upstream = await startWebSocketServer()
  upstream.answer = (req, socket) => accept(req, socket)
  const yaml = `services: { talk: { url: '${upstream.url}', path: /talk, webSocket: true } }\n`
  const gateway = await startGateway({ yaml, env: { OSTIARY_DRAIN_TIMEOUT_MS: '500' } })
  const key = await mint(gateway, ['talk:connect', 'talk:read'])
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  let heard = ''
  socket.on('data', chunk => {
    heard += chunk
  })
  const lines = [
    'Host: x',
    `X-Ostiary-Key: ${key}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Key: x',
  ]
  socket.write(`GET /talk HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
  await until('the answer', () => heard.includes('101'))
  const closed = once(socket, 'close')
  const begun = performance.now()
  await gateway[Symbol.asyncDispose]()
  assert.ok(performance.now() - begun > 400)
  await closed
  await until('the service to hear of it', () => upstream.sockets.every(({ destroyed }) => destroyed))
})
