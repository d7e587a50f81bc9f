import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { type Provider, startProvider } from '../support/provider.ts'

let upstream: Provider
let gateway: Gateway
let silentPort: number
const open = new Set<Socket>()
/** A server that takes whatever comes and says nothing. */
const silent = createServer(socket => {
  open.add(socket.on('error', () => {}).on('close', () => open.delete(socket)))
  socket.resume()
})

before(async () => {
  upstream = await startProvider((_request, res) => void res.end('ok'))
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  silentPort = (silent.address() as { port: number }).port
  gateway = await startGateway({
    yaml: `
requests: { headTimeoutMs: 1500 }
services:
  catalog: { url: '${upstream.url}', path: /catalog, connections: 8 }
  live: { url: 'http://127.0.0.1:${silentPort}', path: /live, webSocket: true, connections: 8 }
`,
  })
})

after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await upstream?.[Symbol.asyncDispose]()
  for (const socket of open) socket.destroy()
  silent.close()
})

async function mint(...scopes: string[]): Promise<string> {
  const key = { name: 'k', environment: 'live' as const, scopes }
  return (await gateway.ostiary.keys.mint(key, internalActor('test'))).secret.reveal()
}

function dial(...lines: string[]): { socket: Socket; heard: () => string } {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  let text = ''
  socket.setEncoding('latin1').on('data', chunk => {
    text += chunk
  })
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  return { socket, heard: () => text }
}

const read = (path: string, key: string) =>
  ask(`${gateway.url}${path}`, { method: 'GET', headers: { 'x-ostiary-key': key } })

test('uploads that never come take nothing of a service, and end', async () => {
  const [evil, good] = [await mint('catalog:write'), await mint('catalog:read')]
  const lines = ['POST /catalog/a HTTP/1.1', 'Host: x', `X-Ostiary-Key: ${evil}`, 'Content-Length: 100']
  const stuck = Array.from({ length: 40 }, () => dial(...lines))
  await until('all to be under way', async () => (await read('/catalog/b', good)).status === 200)
  assert.ok(upstream.requests.every(({ method }) => method === 'GET'))
  await until('their end', () => stuck.every(({ heard }) => heard().startsWith('HTTP/1.1 408 ')))
  for (const { socket } of stuck) socket.destroy()
})

test('an upload that pauses ends, also where its service has begun to hear it', async () => {
  const key = await mint('catalog:write')
  const lines = ['POST /catalog/a HTTP/1.1', 'Host: x', `X-Ostiary-Key: ${key}`, 'Content-Length: 100']
  const { socket, heard } = dial(...lines)
  socket.write('some')
  await until('the answer', () => heard() !== '')
  assert.match(heard(), /^HTTP\/1\.1 408 .*"code":"request\.timeout"/s)
  socket.destroy()
})

test('one caller takes half of a service’s connections, and no more wait than there is room for', async () => {
  const [evil, good] = [await mint('live:read'), await mint('live:read')]
  const get = (key: string) => dial('GET /live/a HTTP/1.1', 'Host: x', `X-Ostiary-Key: ${key}`)
  const held = Array.from({ length: 12 }, () => get(evil))
  await until('its half', () => open.size === 4)
  const refused = await read('/live/a', evil)
  assert.deepEqual([refused.status, JSON.parse(refused.text).code], [503, 'limits.service_busy'])
  assert.ok(Number(refused.headers['retry-after']) > 0)
  held.push(get(good))
  await until('the other one', () => open.size === 5)
  assert.ok(held.every(({ heard }) => heard() === ''))
  for (const { socket } of held) socket.destroy()
  await until('the service to be let go', () => open.size === 0)
  const gone = await until('their events', async () => {
    const found = (await gateway.events()).filter(({ route, status }) => route === 'live.read' && status === 0)
    return found.length === held.length && found
  })
  assert.ok(gone.every(({ problem, outcome }) => problem !== 'limits.service_busy' && outcome === 'caller_hung_up'))
  const next = get(evil)
  await until('room again', () => open.size === 1)
  next.socket.destroy()
  await until('the service to be let go', () => open.size === 0)
})

for (const [how, end] of Object.entries({
  closes: (socket: Socket) => socket.destroy(),
  resets: (socket: Socket) => socket.resetAndDestroy(),
  'ends its side': (socket: Socket) => socket.end(),
  'says more than may wait': (socket: Socket) => socket.write('x'.repeat(100_000)),
})) {
  test(`a handshake whose caller ${how} is let go at once`, async () => {
    const key = await mint('live:connect', 'live:read')
    const lines = ['GET /live/a HTTP/1.1', 'Host: x', `X-Ostiary-Key: ${key}`]
    const { socket } = dial(...lines, 'Connection: Upgrade', 'Upgrade: websocket')
    await until('the service to be asked', () => open.size === 1)
    end(socket)
    await until('the service to be let go', () => open.size === 0, 2000)
    socket.destroy()
  })
}
