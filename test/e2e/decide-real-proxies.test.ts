import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { internalActor } from '#core/actor.ts'
import { KEY_SET_PATH } from '#gateway/identity-key-set.ts'
import { type EdgeProxy, HOST, isInstalled, startCaddy, startNginx } from '../support/edge-proxies.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { type Provider, startProvider } from '../support/provider.ts'

const SECRET = 'the-secret-of-the-edge-proxy-0123456789'

const yamlOf = (dialect: string) => `
services:
  catalog: { path: /catalog }
limits:
  few: { unit: requests, amount: 2, windowSeconds: 3600, per: [key], operations: [catalog.write] }
decide:
  proxies:
    edge: { dialect: ${dialect}, addresses: [127.0.0.1], secret: 'env:EDGE_SECRET', origins: ['https://${HOST}'] }
`

const proxies = [
  { name: 'nginx', dialect: 'nginx', isHere: isInstalled('nginx', '-v'), start: startNginx },
  { name: 'Caddy', dialect: 'forward-auth', isHere: isInstalled('caddy', 'version'), start: startCaddy },
]

for (const { name, dialect, isHere, start } of proxies) {
  describe(`${name}, by the recipe of the guide`, { skip: !isHere && `needs ${name}` }, () => {
    let gateway: Gateway
    let backend: Provider
    let edge: EdgeProxy
    let reader: string
    let writer: string
    let readerId: string
    before(async () => {
      backend = await startProvider()
      gateway = await startGateway({ yaml: yamlOf(dialect), env: { EDGE_SECRET: SECRET } })
      const mint = async (scopes: string[]) => {
        const { secret, record } = await gateway.ostiary.keys.mint(
          { name: 'k', environment: 'live', scopes },
          internalActor('test'),
        )
        return { secret: secret.reveal(), id: record.id }
      }
      ;({ secret: reader, id: readerId } = await mint(['catalog:read']))
      ;({ secret: writer } = await mint(['catalog:read', 'catalog:write']))
      edge = await start({ gatewayUrl: gateway.url, backendUrl: backend.url, secret: SECRET })
    })
    after(async () => {
      await edge?.[Symbol.asyncDispose]()
      await gateway?.[Symbol.asyncDispose]()
      await backend?.[Symbol.asyncDispose]()
    })
    beforeEach(() => {
      backend.requests.splice(0)
      backend.answer = ({ body }, res) => {
        res.writeHead(200, { 'x-of-backend': 'yes' })
        res.end(`got ${body}`)
      }
    })
    const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

    test('an allowed request reaches the backend with who calls, signed for that request, and no credential', async () => {
      const reply = await edge.ask('/catalog/items?page=1', { headers: bearer(reader) })
      assert.deepEqual([reply.status, reply.headers['x-of-backend']], [200, 'yes'], reply.text)
      const { headers, path } = backend.one()
      assert.equal(path, '/catalog/items?page=1')
      assert.deepEqual(
        [headers['x-ostiary-subject'], headers['x-ostiary-subject-type'], headers['x-ostiary-scopes']],
        [readerId, 'api_key', 'catalog:read'],
      )
      const keys = createRemoteJWKSet(new URL(gateway.url + KEY_SET_PATH))
      const { payload } = await jwtVerify(String(headers['x-ostiary-identity']), keys, {
        algorithms: ['ES256'],
        typ: 'ostiary-identity+jwt',
        issuer: gateway.url,
        audience: `${gateway.url}/services/catalog`,
      })
      assert.deepEqual(
        [payload.sub, payload.htm, payload.htu],
        [readerId, 'GET', `https://${HOST}/catalog/items?page=1`],
      )
      assert.equal(headers.authorization, undefined)
      assert.ok(!JSON.stringify(headers).includes(SECRET))
      const event = await gateway.event(String(payload.jti))
      assert.deepEqual([event.decidedFor, event.source, event.route], ['edge', '127.0.0.1', 'catalog.read'])
    })

    test('a body goes to the backend and not to the gateway', async () => {
      const body = 'x'.repeat(100_000)
      const reply = await edge.ask('/catalog/items', { method: 'POST', headers: bearer(writer), body })
      assert.equal(reply.status, 200)
      const { method, body: got, headers } = backend.one()
      assert.deepEqual([method, got.length], ['POST', body.length])
      const { jti } = JSON.parse(
        Buffer.from(String(headers['x-ostiary-identity']).split('.')[1] ?? '', 'base64url').toString(),
      )
      assert.equal((await gateway.event(jti)).bytesIn, 0)
    })

    test('refusals come through, with what the caller needs to do better', async () => {
      const none = await edge.ask('/catalog/items')
      assert.deepEqual([none.status, none.headers['www-authenticate']], [401, 'Bearer realm="ostiary"'])
      const wrong = await edge.ask('/catalog/items', { headers: bearer('sk_live_wrong') })
      assert.equal(wrong.status, 401)
      assert.match(String(wrong.headers['www-authenticate']), /error="invalid_token"/)
      const denied = await edge.ask('/catalog/items', { method: 'DELETE', headers: bearer(reader) })
      assert.equal(denied.status, 403)
      assert.deepEqual(backend.requests, [])
    })

    test('429 comes through with Retry-After', async () => {
      const write = () => edge.ask('/catalog/items', { method: 'POST', headers: bearer(writer) })
      let reply = await write()
      for (let i = 0; i < 3 && reply.status === 200; i++) reply = await write()
      assert.equal(reply.status, 429)
      assert.ok(Number(reply.headers['retry-after']) > 0)
    })

    test('no header that a caller forges reaches the backend', async () => {
      const forged = [
        'X-Ostiary-Subject',
        'x-ostiary-roles',
        'X-Ostiary-Scopes',
        'X-Ostiary-Identity',
        'X-Ostiary-Made-Up',
        'X_Ostiary_Subject',
        'x-ostiary_roles',
        'X-Ostiary-Subject-Type',
        'X-Ostiary-Proxy-Secret',
      ]
      for (const header of forged) {
        for (const connection of [{}, { connection: `close, ${header}` }]) {
          await edge.ask('/catalog/items', { headers: { ...bearer(reader), [header]: 'forged', ...connection } })
          await edge.ask('/catalog/items', {
            headers: { ...bearer(reader), [header]: ['forged', 'forged'], ...connection },
          })
        }
      }
      for (const { rawHeaders } of backend.requests) assert.ok(!rawHeaders.includes('forged'), rawHeaders.join(' '))
      // Nobody gets more by it than without.
      for (const { headers } of backend.requests) assert.equal(headers['x-ostiary-subject'], readerId)
    })

    test('what a caller says about the question does not count', async () => {
      const lies: readonly Record<string, string>[] = [
        { 'x-original-uri': '/catalog/items' },
        { 'x-original-method': 'GET' },
        { 'x-forwarded-uri': '/catalog/items' },
        { 'x-forwarded-method': 'GET' },
        { 'x-http-method-override': 'GET' },
        { 'x-original-url': '/catalog/items', 'x-rewrite-url': '/catalog/items' },
        { 'x-forwarded-host': 'other.example.com' },
        { 'x-forwarded-proto': 'http' },
      ]
      for (const headers of lies) {
        const reply = await edge.ask('/catalog/others', {
          method: 'DELETE',
          headers: { ...bearer(reader), ...headers },
        })
        assert.ok([400, 403].includes(reply.status), `${JSON.stringify(headers)} ${reply.status}`)
      }
      assert.deepEqual(backend.requests, [])
      const seen = await edge.ask('/catalog/items', {
        headers: { ...bearer(reader), 'x-forwarded-for': '198.51.100.1, 203.0.113.9', forwarded: 'for=198.51.100.1' },
      })
      assert.equal(seen.status, 200)
      const claims = String(backend.one().headers['x-ostiary-identity']).split('.')[1] ?? ''
      const { jti } = JSON.parse(Buffer.from(claims, 'base64url').toString())
      assert.equal((await gateway.event(jti)).source, '127.0.0.1')
    })

    test('no spelling of a path leads past the decision', async () => {
      const tricks = [
        '/admin',
        '/catalog',
        '/catalog/../admin',
        '/catalog/%2e%2e/admin',
        '/catalog/.%2e/admin',
        '/catalog/%2E%2E%2Fadmin',
        '/catalog/..%2fadmin',
        '/catalog/%252e%252e/admin',
        '/catalog/..;/admin',
        '/catalog/..%5cadmin',
        '/catalog/..\\admin',
        '//admin',
        '//catalog/../admin',
        '/catalog//../admin',
        '/catalog//items',
        '/./catalog/items',
        '/catalog/./items',
        '/%63atalog/items',
        '/CATALOG/items',
        '/catalog%2fitems',
        '/catalog/items%00',
        '/catalog/items%0a',
        '/admin/../catalog/items',
        '/admin%2f..%2fcatalog/items',
        '/catalog/items?x=/../admin',
        '/catalog/items#/../../admin',
        `https://${HOST}/catalog/../admin`,
        'https://evil.example.com/catalog/items',
        '/catalog/\u00e9',
      ]
      let passed = 0
      for (const path of tricks) {
        backend.requests.splice(0)
        const reply = await edge.ask(path, { headers: bearer(reader) }).catch(() => null)
        passed += backend.requests.length
        for (const request of backend.requests) {
          const claims = String(request.headers['x-ostiary-identity']).split('.')[1] ?? ''
          const { htu, jti } = JSON.parse(Buffer.from(claims, 'base64url').toString())
          assert.equal(
            htu,
            `https://${HOST}${request.path}`,
            `${path}: the backend got another path than was decided about`,
          )
          const event = await gateway.event(jti)
          assert.match(event.path, /^\/catalog\//, path)
          assert.ok(!/admin/.test(event.path), path)
        }
        if (backend.requests.length === 0) assert.ok(reply === null || reply.text !== 'got ', path)
      }
      assert.ok(passed > 0, 'nothing was allowed, and so nothing shown')
    })

    test('without the gateway nothing is passed on', async () => {
      await gateway[Symbol.asyncDispose]()
      const reply = await edge.ask('/catalog/items', { headers: bearer(reader) })
      assert.ok(reply.status >= 500, String(reply.status))
      assert.deepEqual(backend.requests, [])
    })
  })
}
