import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refuse } from './load-for-test.ts'

const refusals: readonly (readonly [yaml: string, ...lines: string[]])[] = [
  [
    'decide: { proxies: { edge: {} } }',
    'ostiary.yaml:1:11: decide.proxies: decide about nothing: there are no services',
    'ostiary.yaml:1:22: decide.proxies.edge.dialect: is missing: must be one of "nginx", "forward-auth", "envoy"',
    'ostiary.yaml:1:22: decide.proxies.edge.addresses: is missing: must be a list of texts',
    'ostiary.yaml:1:22: decide.proxies.edge.secret: is missing: must be a reference to a secret, `env:NAME`, `file:PATH`, `secret:NAME` or `enc:…`; secrets are not written into the configuration',
    'ostiary.yaml:1:22: decide.proxies.edge.origins: is missing: must be a list of texts',
  ],
  [
    'services: { c: { path: /c } }\ndecide: { proxies: { e: { dialect: nginx, addresses: [10.0.0.0/8, 10.0.0.1/8], secret: env:SHORT, origins: ["https://a.example.com", "https://A.example.com:443"] } } }',
    'ostiary.yaml:2:67: decide.proxies.e.addresses[1]: has bits beyond its prefix of 8',
    'ostiary.yaml:2:80: decide.proxies.e.secret: env:SHORT is shorter than 32 characters',
    'ostiary.yaml:2:134: decide.proxies.e.origins[1]: is a second origin of its host: this dialect does not say which',
  ],
  [
    'services: { c: { path: /c } }\ndecide: { proxies: { e: { dialect: envoy, addresses: [], secret: env:LONG, origins: [] } } }',
    'ostiary.yaml:2:43: decide.proxies.e.addresses: must name an address',
    'ostiary.yaml:2:76: decide.proxies.e.origins: must name an origin',
  ],
  [
    'services: { c: { path: /c } }\ndecide: { proxies: { e: { dialect: envoy, addresses: [::1], secret: env:LONG, origins: ["http://a.example.com"] } } }',
    'ostiary.yaml:2:79: decide.proxies.e.origins: must name an origin',
    'ostiary.yaml:2:89: decide.proxies.e.origins[0]: must begin with https://; http:// is for loopback hosts only',
  ],
]

for (const [yaml, ...lines] of refusals) {
  test(`refuses ${JSON.stringify(yaml)}`, () => {
    assert.deepEqual(refuse(yaml, { SHORT: 'x'.repeat(31), LONG: 'x'.repeat(32) }), lines)
  })
}
