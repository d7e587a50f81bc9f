import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, openGateway, openProvider, openRawProvider } from './gateway-under-test.ts'

async function headersOf(
  t: Parameters<typeof openProvider>[0],
  headers: Record<string, string | string[]>,
  status = 200,
) {
  const upstreamPort = await openProvider(t, (_req, res) => {
    res.writeHead(status, headers).end('x')
  })
  const res = await ask((await openGateway(t, { upstreamPort })).port)
  res.resume()
  return res.headers
}

const keptBack: Readonly<Record<string, readonly string[]>> = {
  'of the hop': ['keep-alive', 'proxy-authenticate', 'proxy-connection', 'te', 'trailer', 'upgrade', 'via', 'alt-svc'],
  'that act on our origin': [
    'set-cookie',
    'set-cookie2',
    'strict-transport-security',
    'clear-site-data',
    'service-worker-allowed',
    'access-control-allow-origin',
    'access-control-allow-credentials',
    'www-authenticate',
    'nel',
    'report-to',
  ],
  'that tell of the operator’s account': [
    'openai-organization',
    'openai-project',
    'anthropic-organization-id',
    'x-ratelimit-limit-requests',
    'x-ratelimit-remaining-tokens',
    'anthropic-ratelimit-requests-limit',
    'ratelimit',
    'ratelimit-policy',
    'ratelimit-remaining',
    'cf-ray',
    'server',
  ],
  'that only the gateway says': ['x-ostiary-subject', 'x-ostiary-upstream-status', 'x-ostiary-anything'],
}

for (const [what, names] of Object.entries(keptBack)) {
  for (const name of names) {
    test(`keeps back the provider’s headers ${what}: ${name}`, async t => {
      const headers = await headersOf(t, { [name]: 'of the provider' })
      assert.doesNotMatch(JSON.stringify(headers), /of the provider/)
    })
  }
}

test('passes on what is the caller’s to see', async t => {
  const own = {
    'content-type': 'application/json',
    'content-length': '1',
    'cache-control': 'no-cache',
    'retry-after': '3',
    'x-should-retry': 'true',
    'openai-processing-ms': '12',
    'openai-version': '2020-10-01',
    'x-anything': 'a',
  }
  const headers = await headersOf(t, { ...own, 'x-list': ['a', 'b'] })
  for (const [name, value] of Object.entries(own)) assert.equal(headers[name], value, name)
  assert.equal(headers['x-list'], 'a, b')
})

test('gives its own request id and none of the provider’s', async t => {
  const headers = await headersOf(t, { 'x-request-id': 'theirs', 'request-id': 'theirs' })
  assert.match(String(headers['x-request-id']), /^req_[0-9a-z]{26}$/)
  assert.equal(headers['request-id'], undefined)
})

test('says the provider’s status with an error, and only then', async t => {
  assert.equal((await headersOf(t, {}, 200))['x-ostiary-upstream-status'], undefined)
  assert.equal((await headersOf(t, {}, 404))['x-ostiary-upstream-status'], '404')
  assert.equal((await headersOf(t, {}, 503))['x-ostiary-upstream-status'], '503')
})

test('keeps back the headers that the provider’s Connection names (RFC 9110 §7.6.1)', async t => {
  const upstreamPort = await openRawProvider(t, socket => {
    socket.write(
      'HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n',
    )
  })
  const res = await ask((await openGateway(t, { upstreamPort })).port)
  assert.deepEqual([res.headers['x-hop'], res.headers['x-end']], [undefined, '2'])
  res.resume()
})

test('gives Anthropic’s clients the request id where they look for it', async t => {
  const upstreamPort = await openProvider(t, (_req, res) => {
    res.setHeader('request-id', 'theirs').end('{}')
  })
  const { port } = await openGateway(t, { upstreamPort, format: 'anthropic' })
  const res = await ask(port, { path: '/v1/messages' })
  assert.equal(res.headers['request-id'], res.headers['x-request-id'])
  res.resume()
})
