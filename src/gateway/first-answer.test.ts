import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { ask, chatBytes, dial, NOW, openGateway, openProvider, readAll } from './gateway-under-test.ts'

interface Asked {
  readonly credential: string | undefined
  readonly body: string
}

/** A provider that answers the credential `op` as `refuse` says, and any other with an event. */
async function openRefusing(t: TestContext, refuse: (req: IncomingMessage, res: ServerResponse) => void) {
  const asked: Asked[] = []
  const port = await openProvider(t, async (req, res) => {
    let body = ''
    for await (const chunk of req) body += chunk
    asked.push({ credential: req.headers.authorization, body })
    if (req.headers.authorization === 'Bearer op') return refuse(req, res)
    res.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: {}\n\n')
  })
  return { port, asked }
}

const refuse401 = (_req: IncomingMessage, res: ServerResponse) => res.writeHead(401).end('{"error":"new key unknown"}')

test('a refused credential is followed by the one before, with the same body, and the event says so', async t => {
  const { port, asked } = await openRefusing(t, refuse401)
  const gateway = await openGateway(t, { upstreamPort: port, previousUntil: NOW + 1 })
  const res = await ask(gateway.port)
  assert.deepEqual([res.statusCode, await readAll(res)], [200, { text: 'data: {}\n\n', complete: true }])
  assert.deepEqual(
    asked.map(({ credential }) => credential),
    ['Bearer op', 'Bearer before'],
  )
  assert.equal(asked[0]?.body, asked[1]?.body)
  const event = await gateway.event()
  assert.deepEqual([event.usedPreviousCredential, event.upstreamStatus, event.outcome], [true, 200, 'completed'])
})

test('is not, once the grace has ended', async t => {
  const { port, asked } = await openRefusing(t, refuse401)
  const gateway = await openGateway(t, { upstreamPort: port, previousUntil: NOW })
  const res = await ask(gateway.port)
  assert.deepEqual([res.statusCode, (await readAll(res)).text], [401, '{"error":"new key unknown"}'])
  assert.equal(asked.length, 1)
  assert.equal((await gateway.event()).usedPreviousCredential, undefined)
})

for (const status of [400, 403, 429, 500]) {
  test(`is not, after a ${status}`, async t => {
    const { port, asked } = await openRefusing(t, (_req, res) => res.writeHead(status).end('{}'))
    const gateway = await openGateway(t, { upstreamPort: port, previousUntil: NOW + 1 })
    const res = await ask(gateway.port)
    assert.deepEqual([res.statusCode, (await readAll(res)).text, asked.length], [status, '{}', 1])
  })
}

test('is asked for once only: a second refusal is the caller’s', async t => {
  let count = 0
  const port = await openProvider(t, (req, res) => {
    req.resume()
    res.writeHead(401).end(`refusal ${++count}`)
  })
  const gateway = await openGateway(t, { upstreamPort: port, previousUntil: NOW + 1 })
  const res = await ask(gateway.port)
  assert.deepEqual([res.statusCode, (await readAll(res)).text, count], [401, 'refusal 2', 2])
})

test('a refusal without an end is cut off, and its answer is not the caller’s', async t => {
  const closed = Promise.withResolvers<void>()
  const { port } = await openRefusing(t, (_req, res) => {
    res.writeHead(401)
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const more = () => {
      while (res.write(chunk));
    }
    res.on('drain', more).on('close', () => closed.resolve())
    more()
  })
  const gateway = await openGateway(t, { upstreamPort: port, previousUntil: NOW + 1 })
  const res = await ask(gateway.port)
  assert.deepEqual([res.statusCode, (await readAll(res)).text], [200, 'data: {}\n\n'])
  await closed.promise
})

test('a provider that breaks off the second time is a 502', async t => {
  const port = await openProvider(t, (req, res) => {
    if (req.headers.authorization === 'Bearer op') res.writeHead(401).end()
    else req.socket.destroy()
  })
  const gateway = await openGateway(t, { upstreamPort: port, previousUntil: NOW + 1 })
  const res = await ask(gateway.port)
  assert.equal(res.statusCode, 502)
  await readAll(res)
  assert.deepEqual([(await gateway.event()).problem, gateway.failures], ['upstream.broken', []])
})

test('a caller that hangs up meanwhile stops the second exchange', async t => {
  const second = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  const port = await openProvider(t, (req, res) => {
    if (req.headers.authorization === 'Bearer op') res.writeHead(401).end()
    else {
      res.on('close', () => closed.resolve())
      second.resolve()
    }
  })
  const gateway = await openGateway(t, { upstreamPort: port, previousUntil: NOW + 1 })
  const caller = dial(gateway.port, chatBytes())
  await second.promise
  caller.destroy()
  await once(caller, 'close')
  await closed.promise
  assert.equal((await gateway.event()).outcome, 'caller_hung_up')
})
