import assert from 'node:assert/strict'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { type TestContext, test } from 'node:test'
import { isPrivateAddress } from '#http/upstream.ts'
import { createFetchDocument, MAX_DOCUMENT_BYTES } from './fetch-document.ts'

const fetchDocument = createFetchDocument(5000)

async function listen(t: TestContext, listener: RequestListener, host = '127.0.0.1'): Promise<number> {
  const server = createServer(listener).listen(0, host)
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

test('asks as it should, and reads what is said of age and time', async t => {
  const date = 'Sat, 01 Jan 2028 00:00:00 GMT'
  const port = await listen(t, (req, res) => {
    assert.deepEqual([req.method, req.headers.accept], ['GET', 'application/json'])
    res.writeHead(200, { date, age: '90', 'cache-control': 'public, max-age=3600, must-revalidate' })
    res.end(JSON.stringify({ path: req.url }))
  })
  assert.deepEqual(await fetchDocument(`http://127.0.0.1:${port}/a/b?p=1&q=%2f`, false), {
    value: { path: '/a/b?p=1&q=%2f' },
    maxAgeMs: 3_600_000,
    date: Date.parse(date) + 90_000,
  })
})

for (const [said, maxAgeMs] of [
  ['max-age=5', 5000],
  ['MAX-AGE = "60"', 60_000],
  ['s-maxage=5', null],
  ['no-store', 0],
  ['max-age=60, no-cache', 0],
  ['max-age=-1', null],
  ['max-age=x', null],
  ['', null],
] as const) {
  test(`cache-control: ${said} is ${maxAgeMs}`, async t => {
    const port = await listen(t, (_req, res) => res.writeHead(200, { 'cache-control': said, date: 'x' }).end('{}'))
    const { maxAgeMs: found, date } = await fetchDocument(`http://127.0.0.1:${port}/`, false)
    assert.deepEqual([found, date], [maxAgeMs, null])
  })
}

const bad: readonly (readonly [what: string, code: string, answer: RequestListener])[] = [
  ['500', 'status_500', (_req, res) => res.writeHead(500).end('{}')],
  ['404', 'status_404', (_req, res) => res.writeHead(404).end('{}')],
  ['204', 'status_204', (_req, res) => res.writeHead(204).end()],
  ['a redirect', 'redirect', (_req, res) => res.writeHead(302, { location: '/elsewhere' }).end('{}')],
  ['HTML', 'not_json', (_req, res) => res.end('<html></html>')],
  ['nothing', 'not_json', (_req, res) => res.end()],
  ['a list', 'not_json', (_req, res) => res.end('[]')],
  ['a member twice', 'not_json', (_req, res) => res.end('{"keys":[],"keys":[{}]}')],
  ['deep nesting', 'not_json', (_req, res) => res.end(`{"a":${'['.repeat(20)}${']'.repeat(20)}}`)],
  ['what is not UTF-8', 'not_json', (_req, res) => res.end(Buffer.from('7b2261223a22ff227d', 'hex'))],
  ['a broken connection', 'unreachable', (_req, res) => res.destroy()],
  [
    'half of what it announced',
    'unreachable',
    (_req, res) => void res.writeHead(200, { 'content-length': 9 }).write('{}', () => res.destroy()),
  ],
]
for (const [what, code, answer] of bad) {
  test(`${what} is ${code}`, async t => {
    const port = await listen(t, answer)
    await assert.rejects(fetchDocument(`http://127.0.0.1:${port}/`, false), { name: 'KeysNotHad', code })
  })
}

test('takes no more than the bound, of 10 MB too, and leaves the rest unread', async t => {
  const text = (bytes: number) => JSON.stringify({ a: 'x'.repeat(bytes - 8) })
  let size = MAX_DOCUMENT_BYTES
  let sent = 0
  const port = await listen(t, (_req, res) => {
    res.on('close', () => {
      sent = res.socket?.bytesWritten ?? 0
    })
    res.end(text(size))
  })
  const url = `http://127.0.0.1:${port}/`
  await fetchDocument(url, false)
  for (size of [MAX_DOCUMENT_BYTES + 1, 10_000_000]) {
    await assert.rejects(fetchDocument(url, false), { code: 'too_large' })
  }
  assert.ok(sent < 10_000_000, `${sent}`)
})

const slow: readonly (readonly [what: string, answer: RequestListener])[] = [
  ['no head', () => {}],
  ['no end', (_req, res) => void res.writeHead(200).write('{')],
  [
    'one byte after the other',
    (_req, res) => {
      const drip = setInterval(() => res.write(' '), 10)
      res.on('close', () => clearInterval(drip))
    },
  ],
]
for (const [what, answer] of slow) {
  test(`waits for ${what} no longer than it may`, async t => {
    const port = await listen(t, answer)
    const started = performance.now()
    await assert.rejects(createFetchDocument(300)(`http://127.0.0.1:${port}/`, false), { code: 'timeout' })
    assert.ok(performance.now() - started < 3000)
  })
}

test('a port where nobody listens is unreachable', async t => {
  const port = await listen(t, () => {})
  await assert.rejects(fetchDocument('http://127.0.0.1:1/', false), { code: 'unreachable' })
  assert.ok(port > 0)
})

const HOST = hostname()
const resolved = await lookup(HOST, { all: true }).catch(() => [])
const isPrivateHere = resolved.length > 0 && resolved.every(({ address }) => isPrivateAddress(address))

test('a name that resolves to a private address is asked only where that is allowed', {
  skip: isPrivateHere ? false : 'this machine’s name resolves to no private address',
}, async t => {
  const port = await listen(t, (_req, res) => res.end('{}'), '0.0.0.0')
  const url = `http://${HOST}:${port}/`
  await assert.rejects(fetchDocument(url, false), { code: 'private_address' })
  assert.deepEqual((await fetchDocument(url, true)).value, {})
})
