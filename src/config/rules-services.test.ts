import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load, refuse } from './load-for-test.ts'

const url = 'http://localhost:3000'
const service = (members: string) => `services: { shop: { ${members} } }`
const operations = (text: string) => service(`url: '${url}', path: /shop, operations: { ${text} }`)

const refused: Readonly<Record<string, readonly [yaml: string, expected: RegExp]>> = {
  'no place': [service(`url: '${url}'`), /services\.shop: needs `path` or `host`/],
  'a place twice': [
    `services: { a: { url: '${url}', path: /x }, b: { path: /x } }`,
    /services\.b: is at the place of the service a: its `host` and `path` are the same/,
  ],
  'a host twice': [
    `services: { a: { url: '${url}', host: x.example }, b: { url: '${url}', host: x.example } }`,
    /services\.b: is at the place of the service a/,
  ],
  ...Object.fromEntries(
    [
      '/v1',
      '/v1/x',
      '/v1beta/x',
      '/anthropic',
      '/ostiary/x',
      '/decide',
      '/.well-known/x',
      '/leaked-keys',
      '/upload/x',
    ].map(path => [
      `the gateway’s own path ${path}`,
      [
        service(`url: '${url}', path: ${path}`),
        /services\.shop\.path: must not begin with \/[\w.-]+, where the gateway’s own paths are/,
      ],
    ]),
  ),
  ...Object.fromEntries(
    ['openai', 'gemini', 'chat', 'models', 'ostiary', 'v1', 'decide'].map(name => [
      `the gateway’s own name ${name}`,
      [`services: { ${name}: { url: '${url}', path: /x } }`, /is a name of the gateway’s own; choose another/],
    ]),
  ),
  ...Object.fromEntries(
    ['/', 'shop', '/shop/', '//shop', '/a//b', '/a/../b', '/a/.', '/a b', '/a%20b', '/a;b', '/*', '/ä'].map(path => [
      `the path ${path}`,
      [service(`url: '${url}', path: '${path}'`), /services\.shop\.path: must be a path such as/],
    ]),
  ),
  ...Object.fromEntries(
    [
      'Shop.example',
      'shop.example:80',
      '*',
      '*.',
      'a.*.example',
      '*a.example',
      'a..b',
      '-a.example',
      'http://a',
      'a_b.example',
    ].map(host => [
      `the host ${host}`,
      [service(`url: '${url}', host: '${host}'`), /services\.shop\.host: must be a host name in lower case/],
    ]),
  ),
  'plaintext to elsewhere': [
    service("url: 'http://10.0.0.1', path: /x"),
    /services\.shop\.url: must begin with https:\/\//,
  ],
  'a password in the URL': [service("url: 'https://a:b@x.example', path: /x"), /must not contain a user name/],
  'a query in the URL': [service("url: 'https://x.example?a', path: /x"), /must not have a query/],
  'a path that is kept and not there': [
    service(`url: '${url}', host: x.example, stripPath: false`),
    /must not be set without `path`/,
  ],
  'a credential for nothing': [service('path: /x, credential: env:A'), /credential: must not be set without `url`/],
  'a token for nothing': [service('path: /x, callerToken: a'), /callerToken: must not be set without `url`/],
  'an unknown issuer': [
    service(`url: '${url}', path: /x, callerToken: a`),
    /callerToken: there is no issuer of this name/,
  ],
  'a scheme without credential': [
    service(`url: '${url}', path: /x, credentialScheme: Basic`),
    /must not be set without `credential`/,
  ],
  'a header without credential': [
    service(`url: '${url}', path: /x, credentialHeader: X-Key`),
    /must not be set without `credential`/,
  ],
  ...Object.fromEntries(
    ['Host', 'content-length', 'Connection', 'x-forwarded-for', 'X-Ostiary-Subject', 'Cookie', 'Via'].map(header => [
      `a credential in ${header}`,
      [
        service(`url: '${url}', path: /x, credential: env:A, credentialHeader: ${header}`),
        /is written by the gateway itself; choose another/,
      ],
    ]),
  ),
  'an operation that is there anyway': [
    operations('read: { paths: [/x] }'),
    /operations\.read: is what the gateway calls what no other operation fits/,
  ],
  'a place that leads nowhere': [
    service('path: /x'),
    /services\.shop: leads nowhere: it has no `url`, and `decide` names no proxy/,
  ],
  'an empty list': [operations('a: { methods: [] }'), /operations\.a\.methods: must have an entry, or be left out/],
  'a method that is not passed on': [operations('a: { methods: [COPY] }'), /methods\[0\]: must be one of/],
  'a path with an escape': [operations("a: { paths: ['/a%20b'] }"), /paths\[0\]: must not contain `%`/],
  'a dot segment': [operations("a: { paths: ['/a/../b'] }"), /must not have a dot segment/],
  'two stars within a segment': [operations("a: { paths: ['/a**'] }"), /must have `\*\*` as a whole segment only/],
  'another Unicode form': [operations("a: { paths: ['/cafe\u0301'] }"), /must be in Unicode normalization form C/],
  'a segment that ends in a dot': [operations("a: { paths: ['/a./b'] }"), /must not have a segment that ends in a dot/],
  'a segment that ends in a space': [operations("a: { paths: ['/a '] }"), /begins or ends with a space/],
  'a compatibility form of a star': [operations("a: { paths: ['/a\uff0a'] }"), /must not contain what normalizes/],
  'an operation in another case of one before': [
    operations("a: { paths: ['/Admin/**'] }, b: { paths: ['/admin/\uff58'] }"),
    /operations\.b: can never apply: a, which comes before/,
  ],
  'an operation after one for all': [
    operations('a: {}, b: { methods: [GET] }'),
    /operations\.b: can never apply: a, which comes before, fits all of it/,
  ],
  'an operation within another': [
    operations("a: { methods: [GET, PUT], paths: [/x/**] }, b: { methods: [HEAD], paths: ['/x/*/y', /x] }"),
    /operations\.b: can never apply: a/,
  ],
  'a limit on no operation': [
    `${operations('a: {}')}\nlimits: { l: { unit: concurrency, amount: 1, operations: [shop.b] } }`,
    /there is no operation of this name/,
  ],
  'a limit on WebSockets where there are none': [
    `${operations('a: {}')}\nlimits: { l: { unit: concurrency, amount: 1, operations: [shop.connect] } }`,
    /there is no operation of this name/,
  ],
  'tokens of a service': [
    `${operations('a: {}')}\nlimits: { l: { unit: tokens, amount: 1, windowSeconds: 1, operations: [shop.a] } }`,
    /can never apply: these operations name no model and use no tokens/,
  ],
}
for (const [what, [yaml, expected]] of Object.entries(refused)) {
  test(`refuses ${what}`, () => {
    assert.match(refuse(yaml, { A: 'secret' }).join('\n'), expected)
  })
}

test('takes services that are told apart, and limits on what may be asked of them', () => {
  const { config } = load(
    `services:
  a: { url: '${url}/base/', path: /x }
  b: { url: 'https://b.example', path: /x, host: b.example }
  c: { host: '*.b.example', path: /v1, webSocket: true }
  d: { url: '${url}', path: /v1x, credential: env:A, credentialHeader: X-Key, operations: { a: { methods: [PUT] }, b: { methods: [GET], paths: ['/x/*'] }, c: { methods: [GET], paths: [/x/**] } } }
decide: { proxies: { front: { dialect: nginx, addresses: [127.0.0.1], secret: env:A, origins: ['https://b.example'] } } }
limits:
  l: { unit: requests, amount: 1, windowSeconds: 1, operations: [a.read, c.connect, d.c, openai.chat] }
`,
    { A: 'secret-of-32-characters-and-more-of-them' },
  )
  assert.deepEqual([config.services.a?.url, config.services.a?.allowPrivateNetwork], [`${url}/base`, true])
  assert.equal(config.services.b?.allowPrivateNetwork, false)
  assert.equal(config.services.c?.url, undefined)
})

test('takes operations that differ by case alone where the service tells them apart', () => {
  const both = "operations: { a: { paths: ['/Admin/**'] }, b: { paths: ['/admin/**'] } }"
  const { config } = load(service(`url: '${url}', path: /x, caseSensitive: true, ${both}`))
  assert.equal(config.services.shop?.caseSensitive, true)
})
