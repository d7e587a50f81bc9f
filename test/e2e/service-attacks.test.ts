import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { type Provider, startProvider } from '../support/provider.ts'

let upstream: Provider
let gateway: Gateway
let key: string

before(async () => {
  upstream = await startProvider((_request, res) => void res.end('ok'))
  const yaml = `
services:
  catalog:
    url: ${upstream.url}/base
    path: /catalog
    operations:
      secret: { methods: [GET, POST], paths: [/admin/**] }
  exact: { url: '${upstream.url}', path: /exact, caseSensitive: true, operations: { secret: { paths: [/admin/**] } } }
  own: { url: '${upstream.url}', host: own.example.com }
`
  gateway = await startGateway({ yaml })
  const scopes = ['catalog:read', 'catalog:write', 'exact:read', 'exact:write', 'own:read', 'own:write']
  const minted = await gateway.ostiary.keys.mint({ name: 'k', environment: 'live', scopes }, internalActor('test'))
  key = minted.secret.reveal()
})

after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await upstream?.[Symbol.asyncDispose]()
})

beforeEach(() => {
  upstream.requests.splice(0)
})

/** All that is answered to these bytes, until the connection ends. */
async function talk(bytes: string): Promise<string> {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  let text = ''
  socket.setEncoding('latin1').on('data', chunk => {
    text += chunk
  })
  socket.write(bytes, 'latin1')
  await once(socket, 'close')
  return text
}

const statusesOf = (text: string) => [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status))
const head = (line: string, ...lines: string[]) =>
  [line, 'Host: x', `X-Ostiary-Key: ${key}`, ...lines].join('\r\n').concat('\r\n\r\n')
const get = (target: string, ...lines: string[]) => talk(head(`GET ${target} HTTP/1.1`, 'Connection: close', ...lines))

describe('a path is one for router, policy, event and service, or it is none', () => {
  const targets = [
    '/catalog',
    '/catalog/',
    '/catalog?x',
    '/catalog/a',
    '/catalog/a/',
    '/%63atalog/a',
    '/catalog/%61',
    '/catalog/a%20b',
    '/catalog/caf%C3%A9?q=%E9',
    '/catalog/%5Ba%5D',
    '/catalog/a+b',
    '/catalog/a:b@c',
    '/catalog/..a/.b',
    '/catalogue',
    '/Catalog/a',
    '/catalog%2fa',
    '/catalog%2Fadmin',
    '/catalog/%2e%2e/admin',
    '/catalog/x/../admin',
    '/catalog/x/..;/admin',
    '/catalog/./admin',
    '/catalog/.;/admin',
    '/catalog//admin',
    '//catalog/admin',
    '/catalog/admin;x=1',
    '/catalog;x/admin',
    '/catalog/%3badmin',
    '/catalog/admin%00',
    '/catalog/admin%0a',
    '/catalog/admin%0d%0aX:1',
    '/catalog/admin%3f',
    '/catalog/admin%23',
    '/catalog/%61dmin',
    '/catalog/%2561dmin',
    '/catalog/admi%6e/x',
    '/catalog/admin/',
    '/catalog/admin/x/y/',
    '/catalog/%ef%bc%8fadmin',
    '/catalog/%c0%afadmin',
    '/catalog/x%5c..%5cadmin',
    '/catalog/x\\..\\admin',
    '/catalog/%e2%80%a5/admin',
    '/catalog/a%cc%81dmin',
    '/catalog/ADMIN/x',
    '/catalog/admin%20/x',
    '/catalog/%20admin',
    '/catalog/admin./x',
    '/catalog/..%20/x',
    '/catalog/%ef%bd%81dmin/x',
    '/catalog/%',
    '/catalog/%zz',
    '/catalog/\xe9',
    '/catalog/a#b',
    '/catalog?a#b',
    '/catalog/"',
    'http://own.example.com/a',
    'http://x/catalog/a',
    'catalog/a',
    '*',
  ]
  for (const target of targets) {
    test(JSON.stringify(target), async () => {
      const text = await get(target)
      const [status = 0] = statusesOf(text)
      const [request, ...more] = upstream.requests
      assert.equal(more.length, 0)
      if (request === undefined) {
        assert.ok([400, 403, 404].includes(status), text)
        if (status === 403) assert.match(text, /catalog:secret/)
        return
      }
      assert.equal(status, 200)
      const id = /x-request-id: (\S+)/i.exec(text)?.[1] ?? ''
      const event = await gateway.event(id)
      const [path = '', query] = request.path.split('?')
      assert.equal(
        decodeURIComponent(path),
        `/base${event.service?.path === '/' ? path.slice(5) : event.service?.path}`,
      )
      assert.equal(query, target.split('?')[1])
      assert.ok(['', '/'].includes(path.slice(5)) === (event.service?.path === '/'))
      assert.equal(event.path, `/catalog${decodeURIComponent(path.slice(5))}`)
      assert.doesNotMatch(event.service?.path?.normalize('NFKC') ?? '', /admin/i)
    })
  }

  test('a finer operation is what every spelling of its path comes to', async () => {
    for (const target of [
      '/catalog/admin',
      '/catalog/admin/',
      '/catalog/%61dmin',
      '/catalog/admi%6e/x',
      '/catalog/admin/x/y/',
      '/catalog/ADMIN',
      '/catalog/Admin/x',
      '/catalog/%ef%bd%81dmin/x',
      '/exact/admin/x',
    ]) {
      assert.match(await get(target), /^HTTP\/1\.1 403 .*(?:catalog|exact):secret/s)
      assert.match(await talk(head(`HEAD ${target} HTTP/1.1`, 'Connection: close')), /^HTTP\/1\.1 403 /)
      assert.match(await talk(head(`POST ${target} HTTP/1.1`, 'Connection: close')), /^HTTP\/1\.1 403 /)
    }
    assert.equal(upstream.requests.length, 0)
  })

  test('another case is another path where the service says so', async () => {
    assert.match(await get('/exact/ADMIN/x'), /^HTTP\/1\.1 200 /)
    assert.equal(upstream.one().path, '/ADMIN/x')
    assert.match(await get('/exact/admin./x'), /^HTTP\/1\.1 400 /)
  })
})

describe('a host', () => {
  test('leads to its service only as it is', async () => {
    const at = (host: string) =>
      talk(`GET /a HTTP/1.1\r\nHost: ${host}\r\nX-Ostiary-Key: ${key}\r\nConnection: close\r\n\r\n`)
    assert.match(await at('own.example.com'), /^HTTP\/1\.1 200 /)
    assert.match(await at('OWN.example.com.:81'), /^HTTP\/1\.1 200 /)
    for (const host of [
      'own.example.com.evil',
      'xown.example.com',
      'own.example.com@x',
      'own.example.com:80:1',
      '',
      '[own.example.com]',
    ]) {
      assert.match(await at(host), /^HTTP\/1\.1 404 /, host)
    }
    assert.match(await talk(`GET /a HTTP/1.1\r\nHost: own.example.com\r\nHost: x\r\n\r\n`), /^HTTP\/1\.1 400 /)
    assert.equal(upstream.requests.length, 2)
    assert.ok(
      upstream.requests.every(({ headers }) => headers['x-forwarded-host']?.toString().startsWith('own.example.com')),
    )
  })
})

describe('a method', () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE', 'QUERY']) {
    test(`${method} is passed on`, async () => {
      const text = await talk(
        head(`${method} /catalog/a HTTP/1.1`, 'Content-Length: 2', 'Connection: close').concat('hi'),
      )
      assert.deepEqual(statusesOf(text), [200])
      assert.equal(text.endsWith('ok'), method !== 'HEAD')
      const request = upstream.one()
      assert.equal(request.method, method)
      assert.equal(request.body.toString(), 'hi')
    })
  }
  for (const method of ['TRACE', 'COPY', 'MOVE', 'PROPFIND', 'PURGE', 'LINK', 'M-SEARCH']) {
    test(`${method} is refused`, async () => {
      const text = await talk(head(`${method} /catalog/a HTTP/1.1`, 'Connection: close'))
      assert.match(text, /^HTTP\/1\.1 405 /)
      assert.match(text, /allow: GET, HEAD, /i)
      assert.equal(upstream.requests.length, 0)
    })
  }
  for (const method of ['CONNECT', 'get', 'GETT', 'X-METHOD', 'G ET']) {
    test(`${method} is no request`, async () => {
      const text = await talk(head(`${method} /catalog/a HTTP/1.1`, 'Connection: close'))
      assert.ok(text === '' || /^HTTP\/1\.1 400 /.test(text), text)
      assert.equal(upstream.requests.length, 0)
    })
  }
})

describe('the length of a body', () => {
  const smuggled = 'GET /catalog/smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
  const attacks: Readonly<Record<string, readonly [lines: readonly string[], body: string]>> = {
    'both lengths': [['Content-Length: 4', 'Transfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`],
    'both, the other way round': [['Transfer-Encoding: chunked', 'Content-Length: 4'], `0\r\n\r\n${smuggled}`],
    'two lengths': [['Content-Length: 4', 'Content-Length: 5'], `abcd${smuggled}`],
    'a list of lengths': [['Content-Length: 4, 4'], `abcd${smuggled}`],
    'a length with a sign': [['Content-Length: +4'], `abcd${smuggled}`],
    'a length in hexadecimal': [['Content-Length: 0x4'], `abcd${smuggled}`],
    'a negative length': [['Content-Length: -1'], smuggled],
    'a space before the colon': [['Transfer-Encoding : chunked'], `0\r\n\r\n${smuggled}`],
    'a folded header': [['X: a', ' Transfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`],
    'a coding that is unknown': [['Transfer-Encoding: xchunked'], `0\r\n\r\n${smuggled}`],
    'a coding before chunked': [['Transfer-Encoding: gzip, chunked'], `0\r\n\r\n${smuggled}`],
    'a coding after chunked': [['Transfer-Encoding: chunked, identity'], `0\r\n\r\n${smuggled}`],
    'two codings': [['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], `0\r\n\r\n${smuggled}`],
    'a coding twice': [['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`],
    'a chunk size with a space': [['Transfer-Encoding: chunked'], `1 \r\na\r\n0\r\n\r\n${smuggled}`],
    'a chunk size with a sign': [['Transfer-Encoding: chunked'], `+1\r\na\r\n0\r\n\r\n${smuggled}`],
    'a chunk that is longer than it says': [['Transfer-Encoding: chunked'], `1\r\nab\r\n0\r\n\r\n${smuggled}`],
    'a huge chunk size': [['Transfer-Encoding: chunked'], `fffffffffffffffff\r\na\r\n0\r\n\r\n${smuggled}`],
    'a bare line feed': [['Transfer-Encoding: chunked'], `1\na\n0\n\n${smuggled}`],
  }
  for (const [what, [lines, body]] of Object.entries(attacks)) {
    test(`${what} is refused, and what follows is no request`, async () => {
      const text = await talk(head('POST /catalog/a HTTP/1.1', ...lines).concat(body))
      assert.ok(
        statusesOf(text).every(status => status >= 400),
        text,
      )
      assert.deepEqual(
        upstream.requests.map(({ path }) => path),
        [],
      )
    })
  }

  test('in HTTP/1.0 is never told by chunks', async () => {
    const text = await talk(head('POST /catalog/a HTTP/1.0', 'Transfer-Encoding: chunked').concat('0\r\n\r\n'))
    assert.match(text, /^HTTP\/1\.[01] 400 /)
    assert.equal(upstream.requests.length, 0)
  })

  test('is passed on in the one way that it came, without trailers', async () => {
    const chunked = head(
      'POST /catalog/a HTTP/1.1',
      'Connection: close',
      'Transfer-Encoding: chunked',
      'Trailer: X-Evil',
    )
    const text = await talk(`${chunked}3\r\nabc\r\n0\r\nX-Evil: 1\r\nX-Ostiary-Subject: admin\r\n\r\n`)
    assert.deepEqual(statusesOf(text), [200])
    const { body, headers, rawHeaders } = upstream.one()
    assert.equal(body.toString(), 'abc')
    assert.equal(headers['x-evil'], undefined)
    assert.doesNotMatch(rawHeaders.join(' '), /trailer|x-evil|admin/i)
  })

  test('of a DELETE is kept, and a length of nothing is a body of nothing', async () => {
    await talk(head('DELETE /catalog/a HTTP/1.1', 'Connection: close', 'Content-Length: 2').concat('{}'))
    assert.equal(upstream.one().body.toString(), '{}')
    await talk(head('POST /catalog/a HTTP/1.1', 'Connection: close', 'Content-Length: 0'))
    const { headers } = upstream.one()
    assert.deepEqual([headers['content-length'], headers['transfer-encoding']], ['0', undefined])
  })
})

describe('an upgrade', () => {
  for (const [what, lines] of Object.entries({
    'to HTTP/2': ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA'],
    'to two protocols': ['Connection: Upgrade', 'Upgrade: websocket, h2c'],
    'to a WebSocket where none is taken': ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: x'],
  })) {
    test(`${what} is not taken up, and nothing that follows is a request`, async () => {
      const text = await talk(head('GET /catalog/a HTTP/1.1', ...lines).concat(head('GET /catalog/b HTTP/1.1')))
      assert.deepEqual(statusesOf(text), [200])
      const { path, headers } = upstream.one()
      assert.equal(path, '/base/a')
      assert.deepEqual([headers.upgrade, headers['http2-settings']], [undefined, undefined])
    })
  }
})

describe('headers of an answer', () => {
  test('are the service’s own less what is dangerous, whatever bytes they have', async () => {
    upstream.answer = ({ socket }) => {
      const lines = [
        'X-Name: caf\xe9',
        'X-Ostiary-Subject: evil',
        'Connection: close, x-request-id',
        'Set-Cookie: ostiary=1',
        'Set-Cookie: a=1',
      ]
      socket.end(`HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\nContent-Length: 2\r\n\r\nok`, 'latin1')
    }
    const text = await get('/catalog/a')
    upstream.answer = (_request, res) => void res.end('ok')
    assert.match(text, /x-name: caf\xe9\r\n/i)
    assert.match(text, /set-cookie: a=1\r\n/i)
    assert.match(text, /x-request-id: req_/i)
    assert.doesNotMatch(text, /x-ostiary-subject|ostiary=1/i)
  })

  test('lead a redirect back to the public place', async () => {
    upstream.answer = (_request, res) => void res.writeHead(302, { location: `${upstream.url}/base/new?x` }).end()
    const text = await get('/catalog/a')
    upstream.answer = (_request, res) => void res.end('ok')
    assert.match(text, /^HTTP\/1\.1 302 .*location: \/catalog\/new\?x\r\n/is)
  })
})
