import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { Problem } from '#core/problems.ts'
import { openListener } from '#http/listener.ts'
import { CREDENTIAL_HEADERS, type Credential, readCredential as read } from './credentials.ts'

/** Text of the credential; with a proof of possession it reads `DPoP k1`. */
function readCredential(...request: Parameters<typeof read>): string | null {
  return show(read(...request))
}

function show(credential: Credential | null): string | null {
  return credential && (credential.dpop ? `DPoP ${credential.text}` : credential.text)
}

for (const name of CREDENTIAL_HEADERS) {
  const value = name === 'authorization' ? 'Bearer k1' : 'k1'
  test(`reads the key in ${name}`, () => assert.equal(readCredential({ [name]: value }, ''), 'k1'))
}

const authorizations: readonly (readonly [value: string, credential: string | null])[] = [
  ['Bearer k1', 'k1'],
  ['bearer k1', 'k1'],
  ['BEARER k1', 'k1'],
  ['bEaReR   k1  ', 'k1'],
  ['Bearer', null],
  ['Bearer ', null],
  ['Bearerk1', null],
  ['k1', null],
  ['', null],
  ['Basic dXNlcjprMQ==', null],
  ['Basic Bearer k1', null],
  ['DPoP k1', 'DPoP k1'],
  ['dpop k1', 'DPoP k1'],
  ['DPoP', null],
  ['Token k1', null],
  ['AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c', null],
  ['Digest username="a", realm="b"', null],
]

for (const [value, credential] of authorizations) {
  test(`reads ${JSON.stringify(credential)} in Authorization: ${JSON.stringify(value)}`, () => {
    assert.equal(readCredential({ authorization: value }, ''), credential)
  })
}

const requests: readonly (readonly [
  what: string,
  headers: IncomingHttpHeaders,
  credential: string | null | 'refused',
])[] = [
  ['no header', {}, null],
  ['an empty key', { 'x-api-key': '' }, null],
  ['a blank key', { 'x-api-key': '  ' }, null],
  ['an empty key beside a real one', { 'x-api-key': '', 'api-key': 'k1' }, 'k1'],
  ['the same key in two headers', { authorization: 'Bearer k1', 'x-api-key': 'k1' }, 'k1'],
  [
    'the same key in all headers',
    {
      authorization: 'Bearer k1',
      'x-api-key': 'k1',
      'api-key': 'k1',
      'x-goog-api-key': 'k1',
      'x-ostiary-key': 'k1',
    },
    'k1',
  ],
  ['two keys in two headers', { authorization: 'Bearer k1', 'x-api-key': 'k2' }, 'refused'],
  ['two keys that differ in case', { 'api-key': 'k1', 'x-api-key': 'K1' }, 'refused'],
  ['two keys in one joined header', { 'x-api-key': 'k1, k2' }, 'refused'],
  ['the same key twice in one joined header', { 'x-api-key': 'k1, k1' }, 'k1'],
  ['two joined Bearers', { authorization: 'Bearer k1, Bearer k2' }, 'refused'],
  ['the same Bearer joined twice', { authorization: 'Bearer k1, bearer k1' }, 'k1'],
  ['another scheme beside a key', { authorization: 'Basic abc', 'x-ostiary-key': 'k1' }, 'k1'],
  ['another scheme joined before a Bearer', { authorization: 'Basic abc, Bearer k1' }, 'k1'],
  ['a token presented in two ways', { authorization: 'DPoP k1', 'x-api-key': 'k1' }, 'refused'],
  ['a token presented in two ways in one header', { authorization: 'DPoP k1, Bearer k1' }, 'refused'],
  ['a key elsewhere', { cookie: 'key=k1', 'proxy-authorization': 'Bearer k1', 'x-key': 'k1' }, null],
]

for (const [what, headers, expected] of requests) {
  test(`${what}: ${expected}`, () => {
    if (expected !== 'refused') assert.equal(readCredential(headers, ''), expected)
    else assert.throws(() => readCredential(headers, ''), { name: 'Problem', code: 'auth.multiple_credentials' })
  })
}

test('a Bearer followed by more than one token is not taken for its first token', () => {
  for (const authorization of ['Bearer k1 k2', 'Bearer k1,k2', 'Bearer k1, k2']) {
    let read: string | null = null
    try {
      read = readCredential({ authorization }, '')
    } catch (error) {
      assert.ok(error instanceof Problem)
    }
    assert.equal(read, null, authorization)
  }
})

for (const query of [
  'key=k1',
  'a=b&key=k1',
  'KEY=k1',
  'api_key=k1',
  'api-key=k1',
  'apiKey=k1',
  'access_token=k1',
  'token=k1',
  '%6bey=k1',
  'alt=sse&key=',
  'key',
]) {
  test(`refuses a credential in the query: ${query}`, () => {
    for (const headers of [{}, { 'x-api-key': 'k1' }]) {
      assert.throws(() => readCredential(headers, query), { name: 'Problem', code: 'auth.credential_in_query' })
    }
  })
}

for (const query of ['alt=sse', 'monkey=1', 'key_id=1', 'a=key', 'limit=5&after=key', '', '%', '=']) {
  test(`takes the query ${JSON.stringify(query)}`, () =>
    assert.equal(readCredential({ 'x-api-key': 'k1' }, query), 'k1'))
}

test('through a real listener, two headers of one name are seen as two', async () => {
  const listener = await openListener({
    host: '127.0.0.1',
    port: 0,
    reusePort: false,
    maxConnections: 10,
    headTimeoutMs: 5000,
    timeoutMs: 5000,
    handle(req, res) {
      try {
        res.end(`read ${readCredential(req.headers, '')}`)
      } catch (error) {
        res.end(`refused ${(error as Problem).code}`)
      }
    },
  })
  const ask = async (...lines: string[]): Promise<string> => {
    const socket = connect(listener.port, '127.0.0.1')
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines.join('\r\n')}\r\n\r\n`)
    let text = ''
    socket.on('data', bytes => {
      text += bytes
    })
    await once(socket, 'close')
    return text.slice(text.indexOf('\r\n\r\n') + 4)
  }
  try {
    const twice = 'refused auth.multiple_credentials'
    assert.equal(await ask('Authorization: Bearer k1'), 'read k1')
    assert.equal(await ask('Authorization: Bearer k1', 'authorization: Bearer k2'), twice)
    assert.equal(await ask('Authorization: Bearer k1', 'Authorization: Bearer k1'), 'read k1')
    assert.equal(await ask('Authorization: Basic abc', 'Authorization: Bearer k1'), 'read k1')
    assert.equal(await ask('x-api-key: k1', 'X-API-Key: k2'), twice)
    assert.equal(await ask('x-ostiary-key: k1', 'Authorization: Bearer k2'), twice)
    assert.equal(await ask('x-goog-api-key: k1', 'x-goog-api-key:'), 'read k1')
  } finally {
    await listener.drain(0)
  }
})
