import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import { ask, type Gateway, startGateway } from '../support/gateway.ts'
import { type Provider, startProvider } from '../support/provider.ts'
import { startTokenIssuer } from '../support/token-issuer.ts'

let upstream: Provider
let gateway: Gateway
let reader: string
let writer: string
let unscoped: string
let tester: string

const yamlOf = (url: string) => `
services:
  catalog:
    url: ${url}/base
    path: /catalog
    credential: env:CATALOG_TOKEN
    operations:
      edit: { methods: [PUT], paths: [/items/*] }
  plain:
    url: ${url}
    host: '*.plain.example.com'
    credential: env:CATALOG_TOKEN
    credentialHeader: X-Catalog-Key
  kept:
    url: ${url}
    path: /kept/here
    stripPath: false
    stripHeaders: [X-Staff-Id]
    tags: [test]
  decided:
    path: /decided
decide:
  proxies:
    edge: { dialect: nginx, addresses: [192.0.2.1], secret: env:EDGE_SECRET, origins: ['https://app.example.com'] }
`

before(async () => {
  upstream = await startProvider()
  gateway = await startGateway({
    yaml: yamlOf(upstream.url),
    env: { CATALOG_TOKEN: 'operators-own', EDGE_SECRET: 'edge-secret-of-32-characters-or-more' },
  })
  const mint = async (scopes: string[] | undefined, environment: 'live' | 'test' = 'live') => {
    const key = { name: 'k', environment, ...(scopes && { scopes }) }
    return (await gateway.ostiary.keys.mint(key, internalActor('test'))).secret.reveal()
  }
  reader = await mint(['catalog:read', 'plain:read', 'kept:read', 'decided:read'])
  writer = await mint(['catalog:read', 'catalog:write', 'catalog:edit'])
  unscoped = await mint(undefined)
  tester = await mint(['catalog:read', 'kept:read'], 'test')
})

after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await upstream?.[Symbol.asyncDispose]()
})

beforeEach(() => {
  upstream.requests.splice(0)
  upstream.answer = ({ body }, res) => {
    res.writeHead(200, { 'content-type': 'text/plain', 'x-of-service': 'yes' })
    res.end(`got ${body.length}`)
  }
})

const call = (path: string, options: Parameters<typeof ask>[1] & { key?: string } = {}) => {
  const { key = reader, headers, ...rest } = options
  return ask(`${gateway.url}${path}`, { method: 'GET', ...rest, headers: { 'x-ostiary-key': key, ...headers } })
}

describe('a service', () => {
  test('gets what its caller asks, without the caller’s credential and with the operator’s', async () => {
    const reply = await call('/catalog/items/1?a=b%20c')
    assert.equal(reply.status, 200)
    assert.equal(reply.text, 'got 0')
    assert.equal(reply.headers['x-of-service'], 'yes')
    const request = upstream.one()
    assert.equal(request.path, '/base/items/1?a=b%20c')
    assert.equal(request.headers.authorization, 'Bearer operators-own')
    assert.equal(request.headers['x-ostiary-key'], undefined)
    assert.equal(request.headers.host, new URL(upstream.url).host)
    const event = await gateway.event(String(reply.headers['x-request-id']))
    assert.equal(event.route, 'catalog.read')
    assert.deepEqual(event.service, { name: 'catalog', operation: 'read', path: '/items/1' })
    assert.equal(event.outcome, 'completed')
    assert.equal(event.bytesOut, 5)
    assert.equal(event.target, null)
  })

  test('gets no credential of its caller’s, in whatever header it came', async () => {
    for (const header of ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'x-ostiary-key']) {
      const value = header === 'authorization' ? `Bearer ${reader}` : reader
      const reply = await ask(`${gateway.url}/kept/here`, { method: 'GET', headers: { [header]: value } })
      assert.equal(reply.status, 200)
      assert.ok(!upstream.one().rawHeaders.join(' ').includes(reader), header)
    }
  })

  test('is found by its host, with the credential in a header of its own', async () => {
    const reply = await call('/any/where', { headers: { host: 'a.plain.example.com:8400' } })
    assert.equal(reply.status, 200)
    const { path, headers } = upstream.one()
    assert.equal(path, '/any/where')
    assert.equal(headers['x-catalog-key'], 'operators-own')
    assert.equal(headers['x-forwarded-host'], `a.plain.example.com:${new URL(gateway.url).port}`)
    assert.equal((await call('/any/where', { headers: { host: 'plain.example.com' } })).status, 404)
  })

  test('keeps its path where that is not stripped', async () => {
    assert.equal((await call('/kept/here/x/')).status, 200)
    assert.equal(upstream.one().path, '/kept/here/x/')
  })

  test('is never sent what the operator named, however it is spelled', async () => {
    const staff = { 'x-staff-id': 'boss', X_Staff_ID: 'boss', 'x.staff.id': 'boss' }
    assert.equal((await call('/kept/here/x', { headers: { ...staff, 'x-staff': 'kept' } })).status, 200)
    const { headers, rawHeaders } = upstream.one()
    assert.equal(headers['x-staff'], 'kept')
    assert.ok(!rawHeaders.includes('boss'), rawHeaders.join(' '))
    assert.equal((await call('/catalog/x', { headers: staff })).status, 200)
    assert.equal(upstream.requests.at(-1)?.headers['x-staff-id'], 'boss')
  })

  test('is shown no handshake where no WebSocket was decided about', async () => {
    const handshake = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', Sec_WebSocket_Version: '13' }
    assert.equal((await call('/catalog/x', { headers: handshake })).status, 200)
    assert.doesNotMatch(upstream.one().rawHeaders.join('\n'), /sec.websocket/i)
  })

  test('gets a body as it is sent, by the scopes of the operation', async () => {
    const body = Buffer.alloc(300_000, 'x')
    assert.equal((await call('/catalog/items/1', { method: 'PUT', body })).status, 403)
    assert.equal((await call('/catalog/items', { method: 'POST', body, key: writer })).text, 'got 300000')
    const reply = await call('/catalog/items/1', { method: 'PUT', body, key: writer })
    assert.equal(reply.text, 'got 300000')
    const event = await gateway.event(String(reply.headers['x-request-id']))
    assert.equal(event.route, 'catalog.edit')
    assert.equal(event.bytesIn, 300_000)
    assert.equal(upstream.requests.length, 2)
  })

  test('is closed to a key that names no scope, and to a test key without the tag', async () => {
    const refused = await call('/catalog/x', { key: unscoped })
    assert.equal(refused.status, 403)
    assert.equal(JSON.parse(refused.text).code, 'policy.denied')
    const beyond = await call('/catalog/x', { key: tester })
    assert.equal(beyond.status, 403)
    assert.equal(JSON.parse(beyond.text).code, 'policy.environment')
    assert.equal(upstream.requests.length, 0)
    assert.equal((await call('/kept/here/x', { key: tester })).status, 200)
  })

  test('is not to be had without a credential, and not at all where it is only decided about', async () => {
    assert.equal((await call('/catalog/x', { key: 'sk-nobody' })).status, 401)
    assert.equal((await call('/decided/x')).status, 404)
    assert.equal((await call('/catalogue')).status, 404)
    assert.equal(upstream.requests.length, 0)
  })
})

test('a service that takes the caller’s own token gets that and nothing else; a key, or another issuer’s token, goes nowhere', async () => {
  await using issuer = await startTokenIssuer()
  const grants = '[{ scopes: [inner:read] }]'
  const yaml = issuer.yaml().replace('[{ scopes: [chat:create] }]', grants)
  await using other = await startGateway({
    yaml: `
issuers:
  company: ${yaml}
  partner: ${yaml.replaceAll(`issuer: ${issuer.url}`, `issuer: ${issuer.url}/partner`)}
services:
  inner: { url: '${upstream.url}', path: /inner, callerToken: company, tags: [test] }
`,
  })
  const call = (headers: Record<string, string>) => ask(`${other.url}/inner/x`, { method: 'GET', headers })
  const token = await issuer.sign({ sub: 'ann' })
  assert.equal((await call({ 'x-api-key': token })).status, 200)
  const { headers } = upstream.one()
  assert.deepEqual([headers.authorization, headers['x-api-key']], [`Bearer ${token}`, undefined])
  const key = { name: 'k', environment: 'test' as const, scopes: ['inner:read'] }
  const minted = await other.ostiary.keys.mint(key, internalActor('test'))
  const refused = await call({ authorization: `Bearer ${minted.secret.reveal()}` })
  assert.equal(refused.status, 403)
  assert.equal(JSON.parse(refused.text).code, 'policy.caller_token')
  const partner = await issuer.sign({ iss: `${issuer.url}/partner`, sub: 'ann' })
  assert.equal((await call({ authorization: `Bearer ${partner}` })).status, 403)
  assert.equal(upstream.requests.length, 0)
})

test('forged headers of every spelling reach nobody, and the gateway’s own always do', async () => {
  const forged = {
    'X-Ostiary-Subject': 'user:admin',
    X_Ostiary_Subject: 'user:admin',
    'x.ostiary.roles': 'owner',
    'X-Forwarded-For': '203.0.113.9',
    Forwarded: 'for=203.0.113.9',
    'X-Real-IP': '203.0.113.9',
    'CF-Connecting-IP': '203.0.113.9',
    'X-HTTP-Method-Override': 'DELETE',
    'X-Original-URL': '/admin',
    Connection: 'close, X-Forwarded-For, X-Ostiary-Subject, X-Real-IP, Via, X-Request-Id',
    Cookie: 'a=1; __Host-ostiary-session=stolen; b=2',
    'X-Kept': 'yes',
  }
  const reply = await call('/catalog/items', { headers: forged })
  assert.equal(reply.status, 200)
  const { headers, rawHeaders } = upstream.one()
  assert.doesNotMatch(rawHeaders.join('\n'), /admin|owner|203\.0\.113\.9|DELETE|stolen/)
  assert.deepEqual(
    [headers['x-kept'], headers.cookie, headers['x-forwarded-for'], headers['x-real-ip'], headers.via],
    ['yes', 'a=1; b=2', '127.0.0.1', '127.0.0.1', '1.1 ostiary'],
  )
  assert.equal(headers['x-request-id'], reply.headers['x-request-id'])
  assert.equal(headers['x-forwarded-host'], new URL(gateway.url).host)
  assert.equal(headers['x-ostiary-subject'], (await gateway.event(String(reply.headers['x-request-id']))).principal?.id)
})
