import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import type { AdmittedEvent } from '#core/events.ts'
import { REVOCATION_BOUND_MS } from '#core/revocation.ts'
import { type Gateway, startGateway, until } from '../support/gateway.ts'
import { startWebSocketServer, type WebSocketServer } from '../support/web-socket-server.ts'

let upstream: WebSocketServer
let gateway: Gateway
let folder: string
const actor = internalActor('test')

before(async () => {
  upstream = await startWebSocketServer()
  folder = await mkdtemp(join(tmpdir(), 'ostiary-'))
  await mkdir(join(folder, 'policies'))
  await writePolicy('HEAD')
  await writeFile(join(folder, 'ostiary.yaml'), yamlOf('talk: ', '/talk'))
  gateway = await startGateway({ folder, workers: 4 })
})

after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await upstream?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const yamlOf = (name: string, path: string) =>
  `services: { ${name} { url: '${upstream.url}', path: ${path}, webSocket: true } }\n`

/** Forbids the reading of what is below `/closed` by this method. */
function writePolicy(method: string): Promise<void> {
  const text = `@id("closed") forbid (principal, action in Ostiary::Action::"services.read", resource) when { context.path like "/closed*" && context.method == "${method}" };\n`
  return writeFile(join(folder, 'policies', 'a.cedar'), text)
}

async function open(path: string, secret: string): Promise<WebSocket> {
  const options = { headers: { 'x-ostiary-key': secret } }
  const socket = new WebSocket(gateway.url.replace('http', 'ws') + path, options as unknown as string[])
  await once(socket, 'open')
  return socket
}

const mint = () =>
  gateway.ostiary.keys.mint({ name: 'k', environment: 'live', scopes: ['talk:connect', 'talk:read'] }, actor)

const isClosed = ({ readyState }: WebSocket) => readyState === WebSocket.CLOSED

test('a revoked or disabled key, and one that may not be used from there, lose what is open, on all workers', async () => {
  const stays = await mint()
  const kept = await open('/talk/a', stays.secret.reveal())
  const { keys } = gateway.ostiary
  for (const [end, problem, reason] of [
    [(id: string) => keys.revoke(id, actor), 'auth.invalid_credential', 'revoked'],
    [(id: string) => keys.disable(id, actor), 'auth.invalid_credential', 'disabled'],
    [(id: string) => keys.update(id, { deniedCidrs: ['127.0.0.0/8'] }, actor), 'policy.address', null],
  ] as const) {
    const made = await mint()
    const sockets = await Promise.all(Array.from({ length: 8 }, () => open('/talk/a', made.secret.reveal())))
    const begun = performance.now()
    await end(made.record.id)
    await until('all to be closed', () => sockets.every(isClosed))
    assert.ok(performance.now() - begun < REVOCATION_BOUND_MS, `${performance.now() - begun} ms`)
    const events = await until('the events', async () => {
      const found = (await gateway.events()).filter(({ principal }) => principal?.id === made.record.id)
      return found.length === 8 && found
    })
    for (const event of events) {
      assert.deepEqual([event.status, event.problem, event.reason, event.outcome], [101, problem, reason, 'refused'])
    }
  }
  assert.equal(kept.readyState, WebSocket.OPEN)
  kept.close()
})

test('a reload whose policies forbid it closes what is open, and nothing else', async () => {
  const made = await mint()
  const [kept, closed] = [await open('/talk/a', made.secret.reveal()), await open('/talk/closed', made.secret.reveal())]
  await writePolicy('GET')
  await gateway.ostiary.reload('test')
  await until('it to be closed', () => isClosed(closed), REVOCATION_BOUND_MS)
  const event = await until('the event', async () =>
    (await gateway.events()).find(({ service }) => service?.path === '/closed'),
  )
  assert.deepEqual(
    [event.status, event.problem, event.route, event.policies],
    [101, 'policy.denied', 'talk.read', ['closed']],
  )
  assert.equal(kept.readyState, WebSocket.OPEN)
  await writeFile(gateway.configFile, yamlOf('other: ', '/talk'))
  await gateway.ostiary.reload('test')
  await until('its service to be gone', () => isClosed(kept), REVOCATION_BOUND_MS)
  await writeFile(gateway.configFile, yamlOf('talk: ', '/talk'))
  await gateway.ostiary.reload('test')
})

test('one that is open is on record', async () => {
  const made = await mint()
  const socket = await open('/talk/here', made.secret.reveal())
  const event = await until('the event', async () => {
    const events = (await gateway.ostiary.store.events.list({ limit: 1000, type: 'admitted' })) as AdmittedEvent[]
    return events.find(({ service }) => service?.path === '/here')
  })
  assert.deepEqual(
    [event.credential, event.route, event.target, event.principal?.id],
    [made.record.id, 'talk.connect', null, made.record.id],
  )
  const closed = once(socket, 'close')
  socket.close()
  await closed
  assert.equal((await gateway.event(event.id)).status, 101)
})
