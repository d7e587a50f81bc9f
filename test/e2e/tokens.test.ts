import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { CompactSign, type CryptoKey, exportJWK, exportSPKI, generateKeyPair } from 'jose'
import { ask, type Gateway, type Reply, startGateway } from '../support/gateway.ts'

// Real signatures, a real server of keys, a real gateway with two workers; what is recorded is read from the audit.

const keys = {
  rsa: await generateKeyPair('RS256'),
  ec: await generateKeyPair('ES256'),
  stranger: await generateKeyPair('RS256'),
}

let gateway: Gateway
let issuer: string
const closing: (() => void)[] = []

before(async () => {
  const jwks = {
    keys: [
      { ...(await exportJWK(keys.rsa.publicKey)), kid: 'rsa', alg: 'RS256', use: 'sig' },
      { ...(await exportJWK(keys.ec.publicKey)), kid: 'ec', alg: 'ES256', use: 'sig' },
    ],
  }
  const server = createServer((_req, res) =>
    res.setHeader('content-type', 'application/json').end(JSON.stringify(jwks)),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  gateway = await startGateway({
    workers: 2,
    yaml: `
models:
  other: { provider: sandbox }
issuers:
  company:
    issuer: ${issuer}
    jwksUrl: ${issuer}/keys
    allowPrivateNetwork: true
    audience: [ostiary]
    algorithms: [RS256, ES256]
    environment: test
    clientIds: [web-app, batch]
    grants:
      - { when: { scope: ai }, scopes: [chat:create], models: [sandbox] }
      - { when: { /realm/roles: reader }, scopes: [models:read] }
  partner:
    issuer: ${issuer}/partner
    jwksUrl: ${issuer}/keys
    allowPrivateNetwork: true
    audience: [ostiary]
    environment: test
`,
  })
})

after(async () => {
  await gateway[Symbol.asyncDispose]()
  for (const close of closing) close()
})

const seconds = () => Math.floor(Date.now() / 1000)
const goodClaims = () => ({
  iss: issuer,
  sub: 'ada',
  aud: 'ostiary',
  client_id: 'web-app',
  scope: 'mail ai',
  iat: seconds(),
  exp: seconds() + 300,
})

interface Made {
  readonly claims?: object
  readonly header?: object
  readonly key?: CryptoKey
}

function make({ claims = {}, header = {}, key = keys.rsa.privateKey }: Made = {}): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify({ ...goodClaims(), ...claims })))
    .setProtectedHeader({ alg: 'RS256', kid: 'rsa', typ: 'at+jwt', ...header })
    .sign(key)
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

function call(
  token: string,
  body: object = { model: 'sandbox', messages: [{ role: 'user', content: 'hi' }] },
): Promise<Reply> {
  return ask(`${gateway.url}/v1/chat/completions`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

/** What a sender without the issuer's keys, or with tokens for other purposes, may try; and what the audit says of it. */
const attacks: readonly (readonly [what: string, token: () => string | Promise<string>, reason: string])[] = [
  [
    'without a signature',
    async () => `${encode({ alg: 'none', typ: 'at+jwt' })}.${encode(goodClaims())}.`,
    'token_shape',
  ],
  [
    'with alg none',
    async () => `${encode({ alg: 'nOnE', typ: 'at+jwt' })}.${encode(goodClaims())}.AA`,
    'token_algorithm',
  ],
  [
    'with the public key for a shared secret',
    async () => {
      const input = `${encode({ alg: 'HS256', typ: 'at+jwt', kid: 'rsa' })}.${encode(goodClaims())}`
      const secret = await exportSPKI(keys.rsa.publicKey)
      return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
    },
    'token_algorithm',
  ],
  ['signed by a stranger', () => make({ key: keys.stranger.privateKey }), 'token_signature'],
  [
    'signed by a stranger, whose key it brings along',
    async () => make({ key: keys.stranger.privateKey, header: { jwk: await exportJWK(keys.stranger.publicKey) } }),
    'token_signature',
  ],
  ['by a key of the same issuer for another algorithm', () => make({ header: { kid: 'ec' } }), 'token_key'],
  ['with a kid that is SQL', () => make({ header: { kid: "x' OR 1=1 --" } }), 'token_key'],
  ['with a kid that is a path', () => make({ header: { kid: '../../../../dev/null' } }), 'token_key'],
  ['with a critical extension', () => make({ header: { crit: ['b64'], b64: true } }), 'token_critical'],
  ['of the type of ID tokens', () => make({ header: { typ: 'JWT' } }), 'token_type'],
  ['that the gateway itself made for a service', () => make({ header: { typ: 'ostiary-identity+jwt' } }), 'token_type'],
  ['of an issuer that nobody configured', () => make({ claims: { iss: 'https://evil.example' } }), 'token_issuer'],
  ['for another audience', () => make({ claims: { aud: ['mail', 'payroll'] } }), 'token_audience'],
  ['for no audience', () => make({ claims: { aud: undefined } }), 'token_audience'],
  ['expired', () => make({ claims: { iat: seconds() - 900, exp: seconds() - 31 } }), 'token_expired'],
  ['of tomorrow', () => make({ claims: { nbf: seconds() + 86_400, exp: seconds() + 90_000 } }), 'token_not_yet_valid'],
  ['for ever', () => make({ claims: { exp: seconds() + 86_400 * 365 } }), 'token_lifetime'],
  ['without an end', () => make({ claims: { exp: undefined } }), 'token_no_expiry'],
  ['of a client that is not listed', () => make({ claims: { client_id: 'phone-app' } }), 'token_client'],
  ['about nobody', () => make({ claims: { sub: '' } }), 'token_subject'],
  ['too long', () => make({ claims: { long: 'x'.repeat(9100) } }), 'token_too_long'],
  ['of which a claim is written twice', async () => twice(), 'token_json'],
]

function twice(): Promise<string> {
  const claims = `{"sub":"root",${JSON.stringify(goodClaims()).slice(1)}`
  return new CompactSign(Buffer.from(claims))
    .setProtectedHeader({ alg: 'RS256', kid: 'rsa', typ: 'at+jwt' })
    .sign(keys.rsa.privateKey)
}

describe('tokens of an identity provider', () => {
  it('are taken by every worker, and recorded as who they are about', async () => {
    const tokens = [await make(), await make({ key: keys.ec.privateKey, header: { alg: 'ES256', kid: 'ec' } })]
    const replies = await Promise.all([...tokens, ...tokens, ...tokens, ...tokens].map(token => call(token)))
    assert.deepEqual(new Set(replies.map(({ status }) => status)), new Set([200]))
    const events = await gateway.events(8)
    assert.ok(new Set(events.map(({ worker }) => worker)).size > 1)
    for (const { principal } of events) {
      assert.deepEqual([principal?.kind, principal?.id, principal?.project], ['user', 'company:ada', 'proj_default'])
    }
    const text = JSON.stringify(events)
    for (const token of tokens)
      assert.equal(
        token.split('.').some(part => text.includes(part)),
        false,
      )
  })

  it('of a program are not those of a person of that name', async () => {
    const reply = await call(await make({ claims: { sub: 'batch', client_id: 'batch' } }))
    assert.equal(reply.status, 200)
    const { principal } = await gateway.event(String(reply.headers['x-request-id']))
    assert.deepEqual([principal?.kind, principal?.id], ['service', 'company/batch'])
  })

  it('may do what the rules say that fit them, and nothing else', async () => {
    const list = (token: string) =>
      ask(`${gateway.url}/v1/models`, { method: 'GET', headers: { authorization: `Bearer ${token}` } })
    const reader = await make({ claims: { scope: 'mail', realm: { roles: ['reader'] } } })
    assert.equal((await list(reader)).status, 200)
    assert.equal((await call(reader)).status, 403)
    assert.equal((await list(await make())).status, 403)
    assert.equal((await call(await make(), { model: 'other', messages: [] })).status, 403)
    const unmapped = await make({ claims: { scope: 'mail' } })
    assert.equal((await list(unmapped)).status, 403)
    assert.equal((await call(unmapped)).status, 403)
    // Signed by keys that both issuers publish: each is judged by its own rules.
    assert.equal((await call(await make({ claims: { iss: `${issuer}/partner` } }))).status, 403)
  })

  it('that are attacks are all refused alike, and recorded each for its reason', async () => {
    const asked = await Promise.all(
      attacks.map(async ([what, token, reason]) => ({ what, reason, reply: await call(await token()) })),
    )
    const answers = new Set<string>()
    for (const { what, reply } of asked) {
      assert.equal(reply.status, 401, what)
      const { 'x-request-id': id, date: _date, ...headers } = reply.headers
      answers.add(JSON.stringify([headers, reply.text.replaceAll(String(id), '')]))
    }
    assert.equal(answers.size, 1)
    const recorded = await gateway.refusals(attacks.length)
    const count = (reasons: readonly string[]) =>
      Object.fromEntries(
        Map.groupBy(reasons, reason => reason)
          .entries()
          .map(([reason, all]) => [reason, all.length]),
      )
    const found = recorded.flatMap(({ reason, count }) => Array<string>(count).fill(reason ?? ''))
    assert.deepEqual(count(found.sort()), count(asked.map(({ reason }) => reason).sort()))
    for (const { problem, credential } of recorded)
      assert.deepEqual([problem, credential], ['auth.invalid_credential', null])
  })
})
