import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { readJsonBody } from './bodies.ts'

const MAX = 100

type Handle = (req: IncomingMessage, res: ServerResponse) => Promise<Buffer>

interface Server {
  open(): Socket
  /** What the one request came to. */
  readonly outcome: Promise<string>
}

/** A real server whose one request is read by `handle` and answered with what came of it. */
async function serve(
  t: TestContext,
  handle: Handle = async (req, res) => readJsonBody(req, res, MAX),
): Promise<Server> {
  const { promise: outcome, resolve } = Promise.withResolvers<string>()
  const answer = async (req: IncomingMessage, res: ServerResponse) => {
    const text = await handle(req, res).then(String, error => error.code)
    resolve(text)
    res.end(text)
  }
  const server = createServer({ joinDuplicateHeaders: true }, answer).on('checkContinue', answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { open: () => connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {}), outcome }
}

function post(headers: readonly string[], body = '', version = '1.1'): string {
  return `POST / HTTP/${version}\r\nHost: x\r\nConnection: close\r\n${headers.map(line => `${line}\r\n`).join('')}\r\n${body}`
}

const JSON_BODY = ['Content-Type: application/json']
const LENGTH = 'Content-Length: 2'

async function outcomeOf(t: TestContext, bytes: string): Promise<string> {
  const server = await serve(t)
  server.open().write(bytes)
  return server.outcome
}

const declarations: Readonly<Record<string, readonly string[]>> = {
  '{}': [
    'Content-Type: application/json',
    'Content-Type: Application/JSON',
    'Content-Type: application/json; charset=utf-8',
    'Content-Type: application/json;charset=UTF-8',
    'Content-Type: application/json ; charset = "utf-8" ',
    'Content-Type: application/json\r\nContent-Encoding: identity',
  ],
  'request.unsupported_media_type': [
    'X-None: 1',
    'Content-Type:',
    'Content-Type: text/plain',
    'Content-Type: application/x-www-form-urlencoded',
    'Content-Type: multipart/form-data; boundary=x',
    'Content-Type: application/jsonp',
    'Content-Type: application/json-seq',
    'Content-Type: application/problem+json',
    'Content-Type: text/json',
    'Content-Type: application/json; charset=utf-16',
    'Content-Type: application/json; charset=iso-8859-1',
    'Content-Type: application/json, text/plain',
    'Content-Type: application/json\r\nContent-Type: text/plain',
    'Content-Type: application/json\r\nContent-Encoding: gzip',
    'Content-Type: application/json\r\nContent-Encoding: identity, gzip',
    'Content-Type: application/json\r\nContent-Encoding: br',
  ],
}

for (const [outcome, lines] of Object.entries(declarations)) {
  for (const line of lines) {
    test(`answers ${outcome} to ${JSON.stringify(line)}`, async t => {
      assert.equal(await outcomeOf(t, post([line, LENGTH], '{}')), outcome)
    })
  }
}

test('reads a body whole whatever its pieces', async t => {
  const server = await serve(t)
  const socket = server.open()
  socket.write(post([...JSON_BODY, 'Transfer-Encoding: chunked']))
  for (const piece of ['{"a"', ':', '"b', '"', '}']) socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`)
  socket.write('0\r\n\r\n')
  assert.equal(await server.outcome, '{"a":"b"}')
})

test('reads an empty body as no bytes', async t => {
  assert.equal(await outcomeOf(t, post(JSON_BODY)), '')
})

test('takes a body of exactly the bound, by length or in chunks', async t => {
  const body = 'x'.repeat(MAX)
  assert.equal(await outcomeOf(t, post([...JSON_BODY, `Content-Length: ${MAX}`], body)), body)
  const chunked = `${MAX.toString(16)}\r\n${body}\r\n0\r\n\r\n`
  assert.equal(await outcomeOf(t, post([...JSON_BODY, 'Transfer-Encoding: chunked'], chunked)), body)
})

test('refuses a declared length over the bound before any byte of the body came', async t => {
  assert.equal(await outcomeOf(t, post([...JSON_BODY, `Content-Length: ${MAX + 1}`])), 'request.too_large')
})

test('refuses chunks over the bound while the body goes on', async t => {
  const server = await serve(t)
  const chunk = `${(60).toString(16)}\r\n${'x'.repeat(60)}\r\n`
  server.open().write(post([...JSON_BODY, 'Transfer-Encoding: chunked'], chunk + chunk))
  assert.equal(await server.outcome, 'request.too_large')
})

test('tells of a caller that hangs up in the body', async t => {
  const server = await serve(t)
  const socket = server.open()
  socket.write(post([...JSON_BODY, 'Content-Length: 50'], '{"a":'), () => socket.destroy())
  assert.equal(await server.outcome, 'request.caller_hung_up')
})

for (const [when, bytes] of Object.entries({
  'with half a body': post([...JSON_BODY, 'Content-Length: 50'], '{"a":'),
  'with a whole body': post([...JSON_BODY, LENGTH], '{}'),
  'without a body': post([...JSON_BODY, LENGTH]),
})) {
  test(`tells of a caller that hung up before its body was wanted, ${when}`, { timeout: 5000 }, async t => {
    const server = await serve(t, async (req, res) => {
      const closed = new Promise(resolve => req.on('close', resolve))
      socket.destroy()
      await closed
      return readJsonBody(req, res, MAX)
    })
    const socket = server.open()
    socket.write(bytes)
    assert.equal(await server.outcome, 'request.caller_hung_up')
  })
}

test('lets a caller that expects it continue only once its body is read', async t => {
  const reading = Promise.withResolvers<void>()
  const server = await serve(t, async (req, res) => {
    await reading.promise
    return readJsonBody(req, res, MAX)
  })
  const socket = server.open()
  let received = ''
  socket.on('data', bytes => {
    received += bytes
  })
  socket.write(post([...JSON_BODY, LENGTH, 'Expect: 100-continue']))
  await once(socket, 'connect')
  assert.equal(received, '')
  reading.resolve()
  await once(socket, 'data')
  assert.match(received, /^HTTP\/1\.1 100 Continue\r\n\r\n$/)
  socket.write('{}')
  await once(socket, 'close')
  assert.match(received, /100 Continue\r\n\r\nHTTP\/1\.1 200 OK/)
})

test('lets no caller continue whose declaration is refused', async t => {
  for (const lines of [
    [...JSON_BODY, 'Content-Length: 101', 'Expect: 100-continue'],
    ['Content-Type: text/plain', LENGTH, 'Expect: 100-continue'],
  ]) {
    const socket = (await serve(t)).open()
    socket.write(post(lines))
    let received = ''
    socket.on('data', bytes => {
      received += bytes
    })
    await once(socket, 'close')
    assert.match(received, /^HTTP\/1\.1 200 OK/)
  }
})

test('sends no 100 to a caller of HTTP/1.0 (RFC 9110 §10.1.1, §15.2)', async t => {
  const socket = (await serve(t)).open()
  socket.write(post([...JSON_BODY, LENGTH, 'Expect: 100-continue'], '{}', '1.0'))
  let received = ''
  socket.on('data', bytes => {
    received += bytes
  })
  await once(socket, 'close')
  assert.match(received, /^HTTP\/1\.1 200 OK/)
})
