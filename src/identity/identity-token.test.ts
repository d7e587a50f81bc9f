import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLocalJWKSet, decodeJwt, type JWTVerifyOptions, jwtVerify } from 'jose'
import { createIdentityHeaders } from './identity-headers.ts'
import { createIdentitySigner } from './identity-token.ts'
import { ISSUER, makeIdentity, makeUse, NOW } from './identity-under-test.ts'
import { renderKeySet } from './key-set.ts'
import { generateSigningKey } from './signing-key.ts'

const key = generateSigningKey(NOW, NOW)
const sign = createIdentitySigner(() => [key], { issuer: ISSUER, lifetimeSeconds: 60 })
const keySet = createLocalJWKSet(JSON.parse(renderKeySet([key]).body.toString()))
const asCatalog: JWTVerifyOptions = {
  issuer: ISSUER,
  audience: `${ISSUER}/services/catalog`,
  algorithms: ['ES256'],
  typ: 'ostiary-identity+jwt',
  currentDate: new Date(NOW),
}
const verify = (token: string, otherwise: JWTVerifyOptions = {}) =>
  jwtVerify(token, keySet, { ...asCatalog, ...otherwise })

const alice = makeIdentity({
  kind: 'user',
  id: 'company:al\u{1f600}ice,\r\n"',
  roles: ['developer', 'editor'],
  ceilings: { scopes: new Set(['catalog:read']), operations: null, allowsModel: null, allowsAddress: null },
  expiresAt: NOW + 3_600_000,
  token: {
    issuer: 'company',
    subject: 'al\u{1f600}ice,\r\n"',
    client: 'app',
    session: 's1',
    tokenId: 't1',
    issuedAt: NOW - 1000,
    acr: 'mfa',
    authenticatedAt: NOW - 60_000,
  },
})

test('a service verifies by the published keys who calls', async () => {
  const { payload, protectedHeader } = await verify(sign(alice, makeUse()))
  assert.deepEqual(protectedHeader, { alg: 'ES256', typ: 'ostiary-identity+jwt', kid: key.id })
  assert.deepEqual(payload, {
    iss: ISSUER,
    aud: `${ISSUER}/services/catalog`,
    sub: 'company:al\u{1f600}ice,\r\n"',
    subject_type: 'user',
    roles: ['developer', 'editor'],
    scopes: ['catalog:read'],
    project: 'proj_default',
    environment: 'live',
    client: 'app',
    acr: 'mfa',
    auth_time: NOW / 1000 - 60,
    iat: NOW / 1000,
    exp: NOW / 1000 + 60,
    jti: 'req_1',
  })
})

test('a key that has no ceiling of scopes has no claim of them, and one that may do nothing an empty one', () => {
  const { scopes: none, client } = decodeJwt(sign(makeIdentity(), makeUse()))
  assert.deepEqual([none, client], [undefined, undefined])
  const nothing = makeIdentity({ ceilings: { ...makeIdentity().ceilings, scopes: new Set() } })
  assert.deepEqual(decodeJwt(sign(nothing, makeUse())).scopes, [])
})

test('a token made for another proxy’s question names the one request that it is good for', () => {
  const request = { method: 'PUT', uri: 'https://app.example.com/catalog/items/1?x=1' }
  const { htm, htu } = decodeJwt(sign(alice, makeUse({ request })))
  assert.deepEqual([htm, htu], ['PUT', request.uri])
  assert.equal(decodeJwt(sign(alice, makeUse())).htm, undefined)
})

test('it is refused by another service, as another type, by another gateway, late, changed and unsigned', async () => {
  const token = sign(alice, makeUse())
  const [head = '', claims = '', signature = ''] = token.split('.')
  await assert.rejects(verify(token, { audience: `${ISSUER}/services/other` }), /"aud"/)
  await assert.rejects(verify(token, { typ: 'at+jwt' }), /"typ"/)
  await assert.rejects(verify(token, { issuer: 'https://staging.example.com' }), /"iss"/)
  await assert.rejects(verify(token, { currentDate: new Date(NOW + 61_000) }), /"exp"/)
  const others = Buffer.from(JSON.stringify({ ...decodeJwt(token), sub: 'company:bob' })).toString('base64url')
  await assert.rejects(verify(`${head}.${others}.${signature}`), /signature/)
  const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'ostiary-identity+jwt' })).toString('base64url')
  await assert.rejects(verify(`${none}.${claims}.`))
})

test('it ends with the credential that it was made for', () => {
  const short = makeIdentity({ expiresAt: NOW + 10_500 })
  assert.equal(decodeJwt(sign(short, makeUse())).exp, NOW / 1000 + 11)
})

test('nothing of a credential, an address of e-mail or a session is told', () => {
  const tagged = makeIdentity({ ...alice, tags: { owner: 'alice@example.com' } })
  const headers = createIdentityHeaders(sign)(tagged, makeUse())
  const said = `${headers.join('\n')}\n${JSON.stringify(decodeJwt(sign(tagged, makeUse())))}`
  for (const secret of ['alice@example.com', 's1', 't1']) assert.ok(!said.includes(`"${secret}"`), secret)
  assert.ok(!said.includes('@example.com'))
})

test('the headers say the same in plain words', () => {
  const headers = createIdentityHeaders(sign)(alice, makeUse())
  const pairs = Object.fromEntries(headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1] ?? '']] : [])))
  const { 'x-ostiary-identity': token = '', ...plain } = pairs
  assert.deepEqual(plain, {
    'x-ostiary-subject': 'company:al%F0%9F%98%80ice%2C%0D%0A%22',
    'x-ostiary-subject-type': 'user',
    'x-ostiary-roles': 'developer,editor',
    'x-ostiary-scopes': 'catalog:read',
    'x-ostiary-project': 'proj_default',
    'x-ostiary-environment': 'live',
  })
  assert.equal(decodeURIComponent(plain['x-ostiary-subject'] ?? ''), decodeJwt(token).sub)
})
