import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestHeaders } from './request-headers.ts'

const origin = { id: 'req_1', source: '192.0.2.7', proto: 'https', host: 'api.example.com' }
const credentials = new Set([
  'authorization',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'x-ostiary-key',
  'x-of-service',
])
const ours = {
  forwarded: 'for=192.0.2.7;host="api.example.com";proto=https',
  'x-forwarded-for': '192.0.2.7',
  'x-forwarded-host': 'api.example.com',
  'x-forwarded-proto': 'https',
  'x-forwarded-port': '443',
  'x-real-ip': '192.0.2.7',
  via: '1.1 ostiary',
  'x-request-id': 'req_1',
}

const pass = (caller: Record<string, string>) => requestHeaders(caller, credentials, origin)

for (const name of [
  'authorization',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'x-ostiary-key',
  'x-of-service',
  'x_of_service',
  'x_api_key',
  'x-ostiary-subject',
  'x-ostiary-anything',
  'x_ostiary_subject',
  'x-ostiary_subject',
  'x_ostiary-subject',
  'x.ostiary.subject',
  'x+ostiary+subject',
  'x!ostiary~subject',
  'x-ostiary-',
  'forwarded',
  'x-forwarded-for',
  'x_forwarded_for',
  'x.forwarded.for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-forwarded-server',
  'x-forwarded-prefix',
  'x-forwarded-user',
  'x-forwarded-client-cert',
  'x-forwarded',
  'x-real-ip',
  'x_real_ip',
  'x-client-ip',
  'client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
  'x-original-forwarded-for',
  'via',
  'x-request-id',
  'remote-user',
  'remote_user',
  'x-remote-user',
  'x-auth-request-email',
  'x-goog-iap-jwt-assertion',
  'x-amzn-oidc-identity',
  'x-ms-client-principal-id',
  'cf-access-jwt-assertion',
  'tailscale-user-login',
  'impersonate-user',
  'ssl-client-verify',
  'x-original-url',
  'x-rewrite-url',
  'x-http-method-override',
  'x_http_method_override',
  'x-method-override',
  'x-middleware-subrequest',
  'destination',
  'remote-groups',
  'remote.email',
  'x-remote-groups',
  'x-webauth-role',
  'x-authentik-username',
  'x-consumer-id',
  'x-consumer-groups',
  'x-vouch-user',
  'x-client-cert-dn',
  'x-client-certificate',
  'x-client-verify',
  'x-client-ip',
  'x-original-path',
  'x-original-anything',
  'x_original_url',
  'x-amzn-mtls-clientcert-subject',
  'x-amzn-request-context',
  'x-envoy-original-path',
  'x-envoy-external-address',
  'x-userinfo',
  'x-apigateway-api-userinfo',
  'x-endpoint-api-userinfo',
  'teleport-jwt-assertion',
  'x-arr-clientcert',
  'x-tls-client-cert',
  'x-jwt-claim-sub',
  'oidc-claim-sub',
  'oidc_claim_sub',
  'x-user-email',
  'x-invoke-path',
  'x-middleware-rewrite',
  'x-forwarded-path',
  'x-rewrite-uri',
  'proxy',
  'dpop',
  'host',
  'content-length',
  'content_length',
  'expect',
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'transfer_encoding',
  'upgrade',
  'http2-settings',
]) {
  test(`a caller’s ${name} goes no further`, () => assert.deepEqual(pass({ [name]: 'evil' }), ours))
}

test('everything else is passed on as it is', () => {
  const headers = {
    accept: 'a, b',
    'accept-encoding': 'gzip, br',
    'content-type': 'text/x; charset="ä"',
    'content-encoding': 'gzip',
    'if-none-match': 'W/"1"',
    range: 'bytes=0-1',
    traceparent: '00-1-2-01',
    'x-of-the-app': '1',
    x_of_the_app: '2',
    'x-ostiarys': 'not ours',
    'sec-websocket-key': 'k',
    origin: 'https://app.example.com',
    '': 'nameless',
  }
  assert.deepEqual(pass(headers), { ...headers, ...ours })
})

test('what clients themselves send is passed on', () => {
  const names = ['data', 'id', 'info', 'name', 'request-id', 'version', 'trace-id'].map(name => `x-client-${name}`)
  names.push('x-user-agent', 'x-auth-token', 'x-ms-client-request-id', 'x-amzn-trace-id', 'x-amz-user-agent')
  names.push(
    'x-requested-with',
    'x-csrf-token',
    'x-goog-api-client',
    'x-goog-user-project',
    'x-b3-traceid',
    'sec-ch-ua',
  )
  const headers = Object.fromEntries(names.map(name => [name, '1']))
  assert.deepEqual(pass(headers), { ...headers, ...ours })
})

test('what Connection names is of the hop, but nothing of ours', () => {
  const connection = 'close, X-Of-Hop , x-ostiary-subject,x_forwarded_for, Via,X-Real-IP, cookie, "x'
  assert.deepEqual(pass({ connection, 'x-of-hop': '1', x_of_hop: '2', cookie: 'a=b', kept: '1' }), {
    kept: '1',
    ...ours,
  })
})

for (const [cookie, kept] of [
  ['a=1; b=2', 'a=1; b=2'],
  ['__Host-ostiary-session=x; a=1', 'a=1'],
  ['a=1;ostiary=x;b=2', 'a=1;b=2'],
  ['OSTIARY_session=x;   __host-ostiary=y;__Secure-ostiary.z=1', undefined],
  ['  __Http-ostiary=1; my-ostiary=2', 'my-ostiary=2'],
  ['', undefined],
  ['=ostiary-session=x; = __Host-ostiary=y; =c', '=c'],
] as const) {
  test(`of the cookies ${JSON.stringify(cookie)} the service gets ${JSON.stringify(kept ?? null)}`, () => {
    const headers = pass({ cookie })
    assert.equal(headers.cookie || undefined, kept)
  })
}

test('addresses of IPv6 are written as the standard says, and those of IPv4 as themselves', () => {
  const of = (source: string) => requestHeaders({}, credentials, { ...origin, source, host: 'h:8400', proto: 'http' })
  assert.equal(of('2001:db8::1').forwarded, 'for="[2001:db8::1]";host="h:8400";proto=http')
  assert.equal(of('2001:db8::1')['x-forwarded-for'], '2001:db8::1')
  assert.equal(of('::ffff:192.0.2.7')['x-real-ip'], '192.0.2.7')
  assert.equal(of('::1')['x-forwarded-port'], '8400')
})
