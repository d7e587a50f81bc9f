import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load, refuse } from './load-for-test.ts'

const service = (require: string, more = '') =>
  `services: { a: { path: /a, url: "http://localhost:1", require: ${require} } }\n${more}`

const COMPANY = 'issuers: { c: { issuer: "https://id.example.com", audience: [x] } }'
const refusals: readonly (readonly [what: string, yaml: string, fault: RegExp])[] = [
  ['an alternative that asks nothing', service('[{}]'), /require\[0\]: asks for nothing, so that everybody fits/],
  [
    'a role that nobody can have',
    service('[{ roles: [edtor] }]', 'policies: { roles: [editor] }'),
    /require\[0\]\.roles\[0\]: nobody can have this role.*did you mean "editor"/,
  ],
  ['an issuer that is not there', service('[{ issuers: [company] }]'), /issuers\[0\]: there is no issuer of this name/],
  [
    'a login of a key',
    service('[{ kinds: [api_key], maxAgeSeconds: 60 }]'),
    /require\[0\]: can never be met: only people log in/,
  ],
  [
    'an issuer of a key',
    service(
      '[{ kinds: [api_key], issuers: [c] }]',
      'issuers: { c: { issuer: "https://id.example.com", audience: [x] } }',
    ),
    /require\[0\]: can never be met: API keys have no issuer/,
  ],
  [
    'an alternative twice',
    service('[{ binding: [dpop] }, { kinds: [user] }, { binding: [dpop] }]', COMPANY),
    /require\[2\]: stands there twice/,
  ],
  [
    'one of an operation too',
    'services: { a: { path: /a, url: "http://localhost:1", operations: { edit: { methods: [PUT], require: [{}] } } } }',
    /services\.a\.operations\.edit\.require\[0\]: asks for nothing/,
  ],
  [
    'a certificate, where no TLS is ended',
    service('[{ binding: [certificate] }]'),
    /require\[0\]: can never be met: callers show certificates over TLS/,
  ],
  ['a token, where no issuer is named', service('[{ kinds: [user] }]'), /can never be met: .* there are no `issuers`/],
  [
    'a login, where no issuer is named',
    service('[{ acrValues: [mfa] }]'),
    /can never be met: .* there are no `issuers`/,
  ],
  [
    'what nobody can be at once',
    `services: { a: { path: /a, url: "http://localhost:1", require: [{ kinds: [user] }], operations: { edit: { methods: [PUT], require: [{ kinds: [api_key] }, { kinds: [service] }] } } } }\n${COMPANY}`,
    /operations\.edit\.require: can never be met beside that of the service/,
  ],
  ['a kind that is none', service('[{ kinds: [person] }]'), /kinds\[0\]/],
]

for (const [what, yaml, fault] of refusals) {
  test(`${what} is refused`, () => assert.match(refuse(yaml).join('\n'), fault))
}

test('roles that are shipped, of keys, or given by an issuer can be asked for', () => {
  const issuers =
    'issuers: { c: { issuer: "https://id.example.com", audience: [x], grants: [{ roles: [curator] }] } }\npolicies: { roles: [editor] }'
  const { config } = load(service('[{ roles: [viewer, editor, curator] }, { binding: [dpop, certificate] }]', issuers))
  assert.equal(config.services.a?.require.length, 2)
})
