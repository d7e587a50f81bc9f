import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Secret } from '#core/secret.ts'
import { createUpstream } from '#http/upstream.ts'
import type { Introspection } from '#issuers/introspection/introspection.ts'
import { issuer, NOW, openSigner } from '#issuers/introspection/introspection-under-test.ts'
import { reviewIntrospection } from './review-introspection.ts'

type Answer = (res: ServerResponse) => void
const { keys, sign } = await openSigner()

async function review(t: TestContext, answer: Answer, members: Partial<Introspection>) {
  const server = createServer((req, res) => req.resume().on('end', () => answer(res))).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const upstream = createUpstream({
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: 1,
    connectTimeoutMs: 500,
    timeoutMs: 500,
    idleTimeoutMs: 500,
    allowPrivateNetwork: false,
  })
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await upstream[Symbol.asyncDispose]()
  })
  const introspection: Introspection = {
    issuer,
    send: upstream.send,
    path: '/introspect',
    clientId: 'gateway',
    clientSecret: new Secret('s3cret'),
    previousSecret: null,
    authentication: 'client_secret_basic',
    cacheMs: 0,
    negativeCacheMs: 0,
    timeoutMs: 500,
    signed: false,
    tokenPrefix: '',
    always: false,
    ...members,
  }
  return reviewIntrospection(introspection, keys, () => NOW)
}

const status =
  (code: number): Answer =>
  res =>
    res.writeHead(code).end()
const json =
  (body: object): Answer =>
  res =>
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
const signed =
  (token: string): Answer =>
  res =>
    res.writeHead(200, { 'content-type': 'application/token-introspection+jwt' }).end(token)

const found: readonly (readonly [finding: string, answer: Answer, members?: Partial<Introspection>])[] = [
  ['info introspection_works', json({ active: false })],
  ['info introspection_works', signed(await sign({ active: false })), { signed: true }],
  ['error introspection_malformed', json({ active: true })],
  ['error introspection_malformed', json({ active: 'no' })],
  ['error introspection_client_refused', status(401)],
  ['error introspection_client_refused', status(403)],
  ['warning introspection_rejected', status(400)],
  ['error introspection_status', status(500)],
  ['error introspection_redirect', res => res.writeHead(302, { location: '/elsewhere' }).end()],
  ['error introspection_timeout', () => {}],
  ['error introspection_broken', res => res.destroy()],
  ['error introspection_unsigned', json({ active: false }), { signed: true }],
  ['error introspection_signed_audience', signed(await sign({ active: false }, { aud: 'x' })), { signed: true }],
  ['error introspection_signature', signed(await sign({ active: false }, {}, { kid: 'k2' })), { signed: true }],
]
for (const [expected, answer, members = {}] of found) {
  test(`says ${expected}, in words`, async t => {
    const { level, code, text } = await review(t, answer, members)
    assert.equal(`${level} ${code}`, expected)
    assert.match(text, /^\p{L}.*[.]$/u)
    assert.doesNotMatch(text, /s3cret/)
  })
}
