import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { decodeJwt } from 'jose'
import { newProver } from '#auth/dpop/proof-for-test.ts'
import { internalActor } from '#core/actor.ts'
import { ask, type Gateway, type Reply, startGateway, until } from '../support/gateway.ts'
import { cliEnvOf, runCliWith } from '../support/process.ts'
import { type Provider, startProvider } from '../support/provider.ts'

const SECRET = 'nginx-secret-of-32-characters-ok'
const OTHER_SECRET = 'other-secret-of-32-characters-ok'
const APP = 'https://app.example.com'

const yamlOf = (slow: string) => `
services:
  catalog:
    path: /catalog
    operations:
      edit: { methods: [PUT], paths: [/items/*] }
  slow: { path: /slow, url: '${slow}' }
  silent: { path: /silent, identity: false }
  talk: { host: chat.example.com, webSocket: true }
limits:
  hourly: { unit: requests, amount: 50, windowSeconds: 3600, per: [key] }
  few: { unit: requests, amount: 2, windowSeconds: 3600, per: [key], operations: [silent.write] }
  one: { unit: concurrency, amount: 1, per: [key] }
decide:
  proxies:
    nginx: { dialect: nginx, addresses: [127.0.0.1], secret: 'env:NGINX_SECRET', origins: ['${APP}', 'https://chat.example.com:8443'] }
    traefik: { dialect: forward-auth, addresses: [127.0.0.0/8], secret: 'env:OTHER_SECRET', origins: ['${APP}'] }
    envoy: { dialect: envoy, addresses: [127.0.0.1, '::1'], secret: 'env:OTHER_SECRET', origins: ['${APP}'] }
    afar: { dialect: nginx, addresses: [192.0.2.0/24], secret: 'env:OTHER_SECRET', origins: ['${APP}'] }
`

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

describe('decisions for other proxies', () => {
  let gateway: Gateway
  let upstream: Provider
  let key: string
  let keyId: string
  before(async () => {
    upstream = await startProvider()
    gateway = await startGateway({ yaml: yamlOf(upstream.url), env: { NGINX_SECRET: SECRET, OTHER_SECRET } })
    const scopes = [
      'catalog:read',
      'catalog:edit',
      'silent:read',
      'silent:write',
      'talk:connect',
      'talk:read',
      'slow:read',
    ]
    const made = await gateway.ostiary.keys.mint({ name: 'k', environment: 'live', scopes }, internalActor('test'))
    key = made.secret.reveal()
    keyId = made.record.id
  })
  after(async () => {
    await gateway?.[Symbol.asyncDispose]()
    await upstream?.[Symbol.asyncDispose]()
  })

  const send = (path: string, headers: Headers, method = 'GET') => {
    const given = Object.entries(headers).filter(([, value]) => value !== undefined) as [string, string | string[]][]
    // As it is: a URL would be normalized.
    return ask(gateway.url, { path, method, headers: Object.fromEntries(given) })
  }
  /** As nginx asks by the recipe. */
  const nginx = (headers: Headers = {}) =>
    send('/decide/nginx', {
      'x-ostiary-proxy-secret': SECRET,
      'x-original-method': 'GET',
      'x-original-uri': '/catalog/items?page=1',
      'x-forwarded-for': '203.0.113.9',
      host: 'app.example.com',
      authorization: `Bearer ${key}`,
      ...headers,
    })
  /** As Traefik and Caddy do. */
  const forward = (headers: Headers = {}, query = '') =>
    send(`/decide/forward-auth${query}`, {
      'x-ostiary-proxy-secret': OTHER_SECRET,
      'x-forwarded-method': 'GET',
      'x-forwarded-uri': '/catalog/items?page=1',
      'x-forwarded-host': 'app.example.com',
      'x-forwarded-proto': 'https',
      'x-forwarded-for': '198.51.100.7, 203.0.113.9',
      authorization: `Bearer ${key}`,
      ...headers,
    })
  /** As Envoy does with `path_prefix`. */
  const envoy = (path: string, method: string, headers: Headers = {}) =>
    send(
      `/decide/envoy${path}`,
      {
        'x-ostiary-proxy-secret': OTHER_SECRET,
        host: 'app.example.com',
        'x-forwarded-for': '203.0.113.9',
        authorization: `Bearer ${key}`,
        ...headers,
      },
      method,
    )
  const eventOf = (reply: Reply) => gateway.event(String(reply.headers['x-request-id']))
  const codeOf = (reply: Reply) => JSON.parse(reply.text).code

  describe('in each dialect', () => {
    const dialects: readonly (readonly [string, string, () => Promise<Reply>])[] = [
      ['nginx', 'nginx', nginx],
      ['forward-auth', 'traefik', forward],
      ['forward-auth, as Caddy asks', 'traefik', () => forward({}, '?page=1')],
      ['envoy', 'envoy', () => envoy('/catalog/items?page=1', 'GET')],
    ]
    for (const [dialect, proxy, decide] of dialects) {
      test(`${dialect}: an allowed call is answered with who calls, bound to the very request`, async () => {
        const reply = await decide()
        assert.equal(reply.status, 200, reply.text)
        assert.deepEqual(
          [
            reply.headers['x-ostiary-subject'],
            reply.headers['x-ostiary-subject-type'],
            reply.headers['x-ostiary-roles'],
            reply.headers['x-ostiary-project'],
            reply.headers['x-ostiary-environment'],
          ],
          [keyId, 'api_key', '', 'proj_default', 'live'],
        )
        assert.match(String(reply.headers['x-ostiary-scopes']), /^catalog:read,catalog:edit,/)
        const claims = decodeJwt(String(reply.headers['x-ostiary-identity']))
        assert.deepEqual(
          [claims.htm, claims.htu, claims.jti, claims.aud],
          ['GET', `${APP}/catalog/items?page=1`, reply.headers['x-request-id'], `${gateway.url}/services/catalog`],
        )
        const event = await eventOf(reply)
        assert.deepEqual(
          [event.decidedFor, event.route, event.method, event.path, event.source, event.status, event.upstreamStatus],
          [proxy, 'catalog.read', 'GET', '/catalog/items', '203.0.113.9', 200, null],
        )
        assert.deepEqual(event.service, { name: 'catalog', operation: 'read', path: '/items' })
      })
    }
  })

  test('operations are told apart by the method and path that the caller used', async () => {
    assert.equal((await envoy('/catalog/items/1', 'PUT')).status, 200)
    assert.equal((await envoy('/catalog/items/1', 'DELETE')).status, 403)
    // Whatever its case: the key has no `catalog:write`, which it would need if no operation fitted.
    assert.equal((await envoy('/catalog/ITEMS/1', 'PUT')).status, 200)
    assert.equal((await nginx({ 'x-original-method': 'PUT', 'x-original-uri': '/catalog/items/1' })).status, 200)
    const reply = await forward({ 'x-forwarded-method': 'PUT' })
    assert.deepEqual([reply.status, codeOf(reply)], [403, 'policy.scope'])
    assert.equal((await eventOf(reply)).route, 'catalog.write')
  })

  test('a service that is not to be told who calls is decided about, and no more', async () => {
    const reply = await nginx({ 'x-original-uri': '/silent' })
    assert.equal(reply.status, 200)
    assert.deepEqual(
      Object.keys(reply.headers).filter(name => name.startsWith('x-ostiary-')),
      [],
    )
  })

  test('refusals tell the caller how to authenticate, and why not', async () => {
    const none = await nginx({ authorization: undefined })
    assert.deepEqual([none.status, none.headers['www-authenticate']], [401, 'Bearer realm="ostiary"'])
    assert.equal(none.headers['content-type'], 'application/problem+json')
    const wrong = await forward({ authorization: 'Bearer sk_live_wrong' })
    assert.deepEqual([wrong.status, codeOf(wrong)], [401, 'auth.invalid_credential'])
    const inQuery = await forward({ 'x-forwarded-uri': `/catalog?access_token=${key}` })
    assert.deepEqual([inQuery.status, codeOf(inQuery)], [400, 'auth.credential_in_query'])
    const test = await nginx({ authorization: `Bearer ${gateway.testKey}` })
    assert.equal(test.status, 403)
  })

  test('calls at once are none of a decision’s: nobody here knows how long they last', async () => {
    const { promise: asked, resolve: onAsked } = Promise.withResolvers<() => void>()
    upstream.answer = (_request, res) => onAsked(() => res.end('done'))
    const headers = { authorization: `Bearer ${key}` }
    const running = send('/slow', headers)
    const finish = await asked
    assert.equal((await send('/slow', headers)).status, 429)
    assert.equal((await nginx()).status, 200)
    finish()
    assert.equal((await running).status, 200)
  })

  test('rates are taken of; nginx is told of 429 by a status that it knows', async () => {
    const write = (headers: Headers = {}) =>
      nginx({ 'x-original-method': 'POST', 'x-original-uri': '/silent', ...headers })
    const replies = await Promise.all([write(), write()])
    assert.deepEqual(
      replies.map(({ status }) => status),
      [200, 200],
    )
    const refused = await write()
    assert.deepEqual(
      [refused.status, refused.headers['x-ostiary-status'], codeOf(refused)],
      [403, '429', 'limits.rate_exceeded'],
    )
    assert.ok(Number(refused.headers['retry-after']) > 0)
    const same = await forward({ 'x-forwarded-method': 'POST', 'x-forwarded-uri': '/silent' })
    assert.deepEqual([same.status, same.headers['x-ostiary-status']], [429, undefined])
  })

  describe('anybody else meets an unknown path', () => {
    const strangers: readonly (readonly [string, Headers, string?, (string | null)?])[] = [
      ['without the secret', { 'x-ostiary-proxy-secret': undefined }],
      ['with another secret', { 'x-ostiary-proxy-secret': SECRET.replace('s', 't') }],
      ['with the secret and more', { 'x-ostiary-proxy-secret': `${SECRET}x` }],
      ['with an empty secret', { 'x-ostiary-proxy-secret': '' }],
      ['with the secret twice', { 'x-ostiary-proxy-secret': [SECRET, SECRET] }],
      ['with the secret of a proxy elsewhere', { 'x-ostiary-proxy-secret': OTHER_SECRET }],
      ['at another path', {}, '/decide/nginx/x', 'proxy_dialect'],
      ['at another path with a query', {}, '/decide/nginx?x', 'proxy_dialect'],
      ['in another dialect', {}, '/decide/forward-auth'],
      ['in no dialect', {}, '/decide', null],
    ]
    for (const [who, headers, path = '/decide/nginx', reason = 'proxy_secret'] of strangers) {
      test(who, async () => {
        const asked = {
          'x-ostiary-proxy-secret': SECRET,
          'x-original-method': 'GET',
          'x-original-uri': '/catalog/items',
          'x-forwarded-for': '203.0.113.9',
          host: 'app.example.com',
          ...headers,
        }
        const shape = ({ status, headers, text }: Reply) => {
          const { 'x-request-id': id, date: _date, ...rest } = headers
          return [status, rest, text.replace(String(id), '')]
        }
        const reply = await send(path, asked)
        assert.deepEqual(shape(reply), shape(await send('/nothing/here', asked)))
        assert.equal(reply.status, 401)
        const withKey = await send(path, { ...asked, authorization: `Bearer ${key}` })
        assert.deepEqual([withKey.status, codeOf(withKey)], [404, 'route.not_found'])
        // Only the operator is told.
        const event = await gateway.event(String(withKey.headers['x-request-id']))
        assert.equal(event.reason ?? null, reason)
        if (reason !== null) assert.ok(!withKey.text.includes(reason))
        assert.equal((await eventOf(withKey)).decidedFor, undefined)
      })
    }
  })

  describe('what is missing, said twice, contradicted or malformed is denied', () => {
    const bad: readonly (readonly [string, () => Promise<Reply>, string])[] = [
      ['no URI', () => nginx({ 'x-original-uri': undefined }), 'uri'],
      ['two URIs', () => nginx({ 'x-original-uri': ['/catalog/a', '/catalog/a'] }), 'uri'],
      ['an absolute URI', () => nginx({ 'x-original-uri': `${APP}/catalog` }), 'uri'],
      ['an empty URI', () => nginx({ 'x-original-uri': '' }), 'uri'],
      ['another query beside', () => forward({}, '?page=2'), 'uri'],
      ['no method', () => nginx({ 'x-original-method': undefined }), 'method'],
      ['two methods', () => nginx({ 'x-original-method': ['GET', 'GET'] }), 'method'],
      ['a method that is none', () => nginx({ 'x-original-method': 'get' }), 'method'],
      ['no address', () => nginx({ 'x-forwarded-for': undefined }), 'address'],
      ['an address that is none', () => nginx({ 'x-forwarded-for': '203.0.113.9, unknown' }), 'address'],
      ['another host', () => nginx({ host: 'evil.example.com' }), 'origin'],
      ['another port', () => nginx({ host: 'app.example.com:8443' }), 'origin'],
      ['a host that is a URL', () => nginx({ host: 'app.example.com/@x' }), 'origin'],
      ['no forwarded host', () => forward({ 'x-forwarded-host': undefined }), 'host'],
      ['two forwarded hosts', () => forward({ 'x-forwarded-host': ['app.example.com', 'app.example.com'] }), 'host'],
      ['no scheme', () => forward({ 'x-forwarded-proto': undefined }), 'host'],
      ['another scheme', () => forward({ 'x-forwarded-proto': 'ftp' }), 'origin'],
      ['no forwarded URI', () => forward({ 'x-forwarded-uri': undefined }), 'uri'],
      ['another path beside', () => nginx({ 'x-rewrite-url': '/catalog/other' }), 'other_target'],
      ['another path in another dialect', () => nginx({ 'x-forwarded-uri': '/catalog/other' }), 'other_target'],
      ['another path under an odd name', () => nginx({ x_original_uri: '/catalog/other' }), 'other_target'],
      ['another method beside', () => envoy('/catalog', 'GET', { 'x-http-method-override': 'DELETE' }), 'other_method'],
      ['another path beside, oddly spelled', () => nginx({ 'x.rewrite.url': '/admin' }), 'other_target'],
      ['another path for Next.js', () => envoy('/catalog', 'GET', { 'x-invoke-path': '/admin' }), 'other_target'],
      ['another path before Envoy’s', () => nginx({ 'x-original-path': '/admin' }), 'other_target'],
      ['an identity header', () => nginx({ 'x-ostiary-subject': 'key_root' }), 'forged'],
      ['an identity header under an odd name', () => nginx({ X_Ostiary_Roles: 'owner' }), 'forged'],
      ['an identity token', () => envoy('/catalog', 'GET', { 'X-Ostiary-Identity': 'x.y.z' }), 'forged'],
    ]
    for (const [what, decide, reason] of bad) {
      test(what, async () => {
        const reply = await decide()
        assert.ok([400, 403].includes(reply.status), `${reply.status} ${reply.text}`)
        assert.equal(codeOf(reply), 'decide.malformed')
        const event = await eventOf(reply)
        assert.deepEqual([event.reason, event.outcome], [reason, 'refused'])
      })
    }

    const undecided: readonly (readonly [string, () => Promise<Reply>, string])[] = [
      ['a path of no service', () => forward({ 'x-forwarded-uri': '/other' }), 'decide.not_decidable'],
      ['a model', () => forward({ 'x-forwarded-uri': '/v1/models' }), 'decide.not_decidable'],
      ['the caller’s own key', () => forward({ 'x-forwarded-uri': '/ostiary/key' }), 'decide.not_decidable'],
      ['a decision', () => forward({ 'x-forwarded-uri': '/decide/nginx' }), 'decide.not_decidable'],
      ['a method that is not passed on', () => forward({ 'x-forwarded-method': 'CONNECT' }), 'decide.not_decidable'],
      ['a WebSocket to a service without', () => forward({ 'sec-websocket-key': 'x' }), 'decide.not_decidable'],
      ['dot segments', () => forward({ 'x-forwarded-uri': '/catalog/../admin' }), 'request.invalid_path'],
      ['encoded dot segments', () => forward({ 'x-forwarded-uri': '/catalog/%2e%2e/admin' }), 'request.invalid_path'],
      ['an encoded separator', () => forward({ 'x-forwarded-uri': '/catalog%2f..%2fadmin' }), 'request.invalid_path'],
      ['an empty segment', () => forward({ 'x-forwarded-uri': '//catalog/items' }), 'request.invalid_path'],
      ['a path parameter', () => forward({ 'x-forwarded-uri': '/catalog;/items' }), 'request.invalid_path'],
      ['twice encoded', () => forward({ 'x-forwarded-uri': '/catalog/%252e%252e/admin' }), 'request.invalid_path'],
      [
        'a dot at the end of a segment',
        () => forward({ 'x-forwarded-uri': '/catalog/items./1' }),
        'request.invalid_path',
      ],
      ['a space at its end', () => forward({ 'x-forwarded-uri': '/catalog/items%20/1' }), 'request.invalid_path'],
      ['a fragment', () => forward({ 'x-forwarded-uri': '/catalog#/x' }), 'request.invalid_path'],
      ['encoded dot segments behind Envoy’s path', () => envoy('/catalog/%2e%2e/x', 'GET'), 'request.invalid_path'],
    ]
    for (const [what, decide, code] of undecided) {
      test(what, async () => {
        const reply = await decide()
        assert.ok([400, 403].includes(reply.status), `${reply.status} ${reply.text}`)
        assert.equal(codeOf(reply), code)
      })
    }
  })

  test('a WebSocket is decided about as one, however the proxy shows that it is one', async () => {
    const chat = { host: 'chat.example.com:8443', 'x-original-uri': '/room' }
    const reply = await nginx({ ...chat, 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' })
    assert.equal(reply.status, 200, reply.text)
    assert.equal((await eventOf(reply)).route, 'talk.connect')
    // Caddy asks by an upgrade itself.
    const handshake = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
    const asUpgrade = await nginx({ ...chat, ...handshake })
    assert.equal(asUpgrade.status, 200, asUpgrade.text)
    assert.equal((await eventOf(asUpgrade)).route, 'talk.connect')
    assert.equal((await nginx({ ...handshake })).status, 403)
    assert.equal((await nginx(chat)).status, 200)
  })

  test('a WebSocket needs what the same GET does, and no other method opens one', async () => {
    const chat = { host: 'chat.example.com:8443', 'x-original-uri': '/room', 'sec-websocket-key': 'x' }
    const mint = async (...scopes: string[]) =>
      (
        await gateway.ostiary.keys.mint({ name: 'c', environment: 'live', scopes }, internalActor('test'))
      ).secret.reveal()
    const both = await mint('talk:connect', 'talk:read')
    assert.equal((await nginx({ ...chat, authorization: `Bearer ${both}` })).status, 200)
    const reader = await nginx({ ...chat, authorization: `Bearer ${await mint('talk:read')}` })
    assert.deepEqual(
      [reader.status, codeOf(reader), (await eventOf(reader)).route],
      [403, 'policy.scope', 'talk.connect'],
    )
    const connector = await nginx({ ...chat, authorization: `Bearer ${await mint('talk:connect')}` })
    assert.deepEqual(
      [connector.status, codeOf(connector), (await eventOf(connector)).route],
      [403, 'policy.scope', 'talk.read'],
    )
    const every = `Bearer ${await mint('talk:connect', 'talk:read', 'talk:write')}`
    for (const method of ['DELETE', 'POST', 'HEAD', 'OPTIONS']) {
      const reply = await nginx({ ...chat, authorization: every, 'x-original-method': method })
      assert.deepEqual([reply.status, codeOf(reply)], [403, 'decide.not_decidable'], method)
    }
  })

  test('an upgrade to anything but a WebSocket is refused, also where WebSockets are taken', async () => {
    const chat = { host: 'chat.example.com:8443', 'x-original-uri': '/room' }
    const signs: Headers[] = [
      { upgrade: 'h2c' },
      { upgrade: 'websocket, h2c' },
      { 'http2-settings': 'AAMAAABkAAQCAAAAAAIAAAAA' },
      { upgrade: 'websocket', 'http2-settings': 'AAMAAABkAAQCAAAAAAIAAAAA' },
    ]
    for (const sign of signs) {
      const reply = await nginx({ ...chat, ...sign })
      assert.deepEqual([reply.status, codeOf(reply)], [403, 'decide.not_decidable'], JSON.stringify(sign))
    }
  })

  test('a key that is bound needs a proof for the URL at the proxy, which is good once', async () => {
    const [holder, thief] = await Promise.all([newProver(), newProver()])
    const { keys } = gateway.ostiary
    const binding = { kind: 'dpop', thumbprint: holder.thumbprint } as const
    const scopes = ['catalog:read']
    const made = await keys.mint({ name: 'b', environment: 'live', scopes, binding }, internalActor('test'))
    const credential = made.secret.reveal()
    const decide = (dpop: string | undefined, scheme = 'DPoP') =>
      nginx({ authorization: `${scheme} ${credential}`, dpop, 'x-original-uri': '/catalog/items' })
    const url = `${APP}/catalog/items`
    const good = await holder.prove({ url, method: 'GET', credential })
    assert.equal((await decide(good)).status, 200)
    assert.equal((await decide(good)).status, 401, 'used')
    for (const [what, proof] of [
      ['another URL', await holder.prove({ url: `${APP}/catalog/others`, method: 'GET', credential })],
      [
        'the gateway’s own origin',
        await holder.prove({ url: `${gateway.url}/catalog/items`, method: 'GET', credential }),
      ],
      ['the question', await holder.prove({ url: `${gateway.url}/decide/nginx`, method: 'GET', credential })],
      ['another method', await holder.prove({ url, method: 'POST', credential })],
      ['another key', await thief.prove({ url, method: 'GET', credential })],
      ['none', undefined],
    ] as const) {
      assert.equal((await decide(proof)).status, 401, what)
    }
    assert.equal((await decide(undefined, 'Bearer')).status, 401)
    const toGateway = await holder.prove({ url, method: 'GET', credential })
    const direct = await send('/catalog/items', { authorization: `DPoP ${credential}`, dpop: toGateway })
    assert.equal(direct.status, 401, 'a proof for the proxy is none for the gateway')
  })

  test('a credential that is bound to a certificate is refused: the connection is the proxy’s', async () => {
    const binding = { kind: 'certificate', thumbprint: 'A'.repeat(43) } as const
    const scopes = ['catalog:read']
    const made = await gateway.ostiary.keys.mint(
      { name: 'c', environment: 'live', scopes, binding },
      internalActor('test'),
    )
    assert.equal((await nginx({ authorization: `Bearer ${made.secret.reveal()}` })).status, 401)
  })

  test('addresses of a key are those of the caller, not of the proxy', async () => {
    const key = { name: 'a', environment: 'live', scopes: ['catalog:read'], cidrs: ['203.0.113.0/24'] } as const
    const made = await gateway.ostiary.keys.mint(key, internalActor('test'))
    const from = (address: string) =>
      forward({ authorization: `Bearer ${made.secret.reveal()}`, 'x-forwarded-for': address })
    assert.equal((await from('198.51.100.7, 203.0.113.9')).status, 200)
    assert.equal((await from('203.0.113.9, 198.51.100.7')).status, 403)
    assert.equal((await from('203.0.113.9, 127.0.0.1')).status, 403)
  })

  test('a body that comes along is dropped, and the connection goes on', async () => {
    const reply = await ask(gateway.url, {
      path: '/decide/envoy/catalog/items/1',
      method: 'PUT',
      headers: {
        'x-ostiary-proxy-secret': OTHER_SECRET,
        host: 'app.example.com',
        'x-forwarded-for': '203.0.113.9',
        authorization: `Bearer ${key}`,
      },
      body: Buffer.alloc(1_000_000),
    })
    assert.equal(reply.status, 200)
  })

  test('the secret is in no event', async () => {
    const events = JSON.stringify(await gateway.ostiary.store.events.list({ limit: 10_000 }))
    assert.ok(events.length > 1000)
    for (const secret of [SECRET, OTHER_SECRET, key]) assert.ok(!events.includes(secret))
  })
})

test('without a proxy in the configuration there is no such path', async () => {
  await using gateway = await startGateway()
  const headers = { 'x-ostiary-proxy-secret': SECRET, authorization: `Bearer ${await gateway.liveKey()}` }
  for (const path of ['/decide/nginx', '/decide/envoy/x', '/decide'])
    assert.equal((await ask(gateway.url + path, { method: 'GET', headers })).status, 404)
})

test('a proxy at another address is told of in the event', async () => {
  const yaml = `
services: { catalog: { path: /catalog } }
decide: { proxies: { afar: { dialect: nginx, addresses: [192.0.2.0/24], secret: 'env:OTHER_SECRET', origins: ['${APP}'] } } }
`
  await using gateway = await startGateway({ yaml, env: { OTHER_SECRET } })
  const headers = { 'x-ostiary-proxy-secret': OTHER_SECRET, authorization: `Bearer ${await gateway.liveKey()}` }
  const reply = await ask(`${gateway.url}/decide/nginx`, { method: 'GET', headers })
  assert.equal(reply.status, 404)
  assert.equal((await gateway.event(String(reply.headers['x-request-id']))).reason, 'proxy_address')
})

test('while a secret is rotated both are taken, and then only the new one', async () => {
  const yaml = `
services: { catalog: { path: /catalog } }
decide: { proxies: { edge: { dialect: nginx, addresses: [127.0.0.1], secret: 'secret:edge', origins: ['${APP}'] } } }
`
  await using gateway = await startGateway()
  const cli = (input: string, ...args: string[]) => runCliWith(cliEnvOf(gateway), input, ...args)
  assert.equal((await cli(SECRET, 'secrets', 'set', 'edge')).code, 0)
  writeFileSync(gateway.configFile, yaml)
  await gateway.ostiary.reload('test')
  const { keys } = gateway.ostiary
  const scopes = ['catalog:read']
  const { secret } = await keys.mint({ name: 'k', environment: 'live', scopes }, internalActor('test'))
  const decide = async (proxySecret: string) => {
    const { status } = await ask(`${gateway.url}/decide/nginx`, {
      method: 'GET',
      headers: {
        'x-ostiary-proxy-secret': proxySecret,
        'x-original-method': 'GET',
        'x-original-uri': '/catalog',
        'x-forwarded-for': '203.0.113.9',
        host: 'app.example.com',
        authorization: `Bearer ${secret.reveal()}`,
      },
    })
    return status
  }
  assert.deepEqual([await decide(SECRET), await decide(OTHER_SECRET)], [200, 404])
  assert.equal((await cli(OTHER_SECRET, 'secrets', 'rotate', 'edge', '--grace', '2s')).code, 0)
  assert.deepEqual([await decide(SECRET), await decide(OTHER_SECRET)], [200, 200])
  await until('the end of the grace', async () => (await decide(SECRET)) === 404)
  assert.equal(await decide(OTHER_SECRET), 200)
})
