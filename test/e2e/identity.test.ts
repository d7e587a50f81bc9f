import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose'
import { internalActor } from '#core/actor.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { cliEnvOf, runCli } from '../support/process.ts'
import { type Provider, startProvider } from '../support/provider.ts'
import { startTokenIssuer, type TokenIssuer } from '../support/token-issuer.ts'

/** What the guide has services do, asked of this gateway. */
async function loadVerifier(gatewayUrl: string) {
  const [, snippet = ''] = /^```js verify\n(.*?)^```$/ms.exec(readFileSync('docs/guide/identity.md', 'utf8')) ?? []
  assert.match(snippet, /typ: 'ostiary-identity\+jwt'/)
  const folder = mkdtempSync(join(tmpdir(), 'verifier-'))
  const file = join(folder, 'verifier.mjs')
  const here = snippet
    .replace("'https://ai.example.com'", JSON.stringify(gatewayUrl))
    .replace("from 'jose'", `from ${JSON.stringify(import.meta.resolve('jose'))}`)
  writeFileSync(file, here)
  const { callerOf } = (await import(pathToFileURL(file).href)) as {
    callerOf(headers: IncomingHttpHeaders): Promise<JWTPayload>
  }
  rmSync(folder, { recursive: true })
  return callerOf
}

describe('a service', () => {
  let backend: Provider
  let gateway: Gateway
  let issuer: TokenIssuer
  let callerOf: (headers: IncomingHttpHeaders) => Promise<JWTPayload>
  let key: string
  let keyId: string
  before(async () => {
    backend = await startProvider()
    issuer = await startTokenIssuer()
    gateway = await startGateway({
      workers: 2,
      yaml: `
services:
  catalog: { url: '${backend.url}', path: /catalog, tags: [test] }
  other: { url: '${backend.url}', path: /other, tags: [test] }
  foreign: { url: '${backend.url}', path: /foreign, identity: false, tags: [test] }
issuers:
  company: ${issuer.yaml('').replace(/grants: .*\n/, "grants: [{ scopes: ['catalog:read'], roles: [viewer] }]\n")}
`,
    })
    callerOf = await loadVerifier(gateway.url)
    const scopes = ['catalog:read', 'other:read', 'foreign:read']
    const made = await gateway.ostiary.keys.mint({ name: 'k', environment: 'live', scopes }, internalActor('test'))
    key = made.secret.reveal()
    keyId = made.record.id
  })
  after(async () => {
    await gateway?.[Symbol.asyncDispose]()
    await issuer?.[Symbol.asyncDispose]()
    await backend?.[Symbol.asyncDispose]()
  })
  beforeEach(() => {
    backend.requests.splice(0)
    backend.answer = (_request, res) => void res.end('ok')
  })
  const call = async (path: string, headers: Record<string, string | string[]> = {}) => {
    const reply = await ask(gateway.url + path, { method: 'GET', headers: { 'x-ostiary-key': key, ...headers } })
    return { reply, told: backend.requests.splice(0).at(-1)?.headers ?? {} }
  }

  test('learns by the guide’s own lines who calls', async () => {
    const { reply, told } = await call('/catalog/items')
    assert.equal(reply.status, 200, reply.text)
    const claims = await callerOf(told)
    assert.deepEqual(
      [claims.sub, claims.subject_type, claims.scopes, claims.jti, claims.htm],
      [keyId, 'api_key', ['catalog:read', 'other:read', 'foreign:read'], reply.headers['x-request-id'], undefined],
    )
    assert.equal((claims.exp ?? 0) - (claims.iat ?? 0), 60)
    assert.equal(told['x-ostiary-subject'], keyId)
  })

  test('learns of a person their subject, roles, client and login, and no more', async () => {
    const token = await issuer.sign({
      sub: 'al,ice "x"',
      scope: 'catalog:read',
      acr: 'mfa',
      auth_time: 1_700_000_000,
      email: 'alice@example.com',
    })
    const { reply, told } = await call('/catalog/items', { 'x-ostiary-key': token })
    assert.equal(reply.status, 200, reply.text)
    const claims = await callerOf(told)
    assert.deepEqual(
      [claims.sub, claims.subject_type, claims.roles, claims.scopes, claims.client, claims.acr, claims.auth_time],
      ['company:al,ice "x"', 'user', ['viewer'], ['catalog:read'], 'app', 'mfa', 1_700_000_000],
    )
    assert.equal(told['x-ostiary-subject'], 'company:al%2Cice%20%22x%22')
    const said = JSON.stringify([told, claims])
    assert.ok(!said.includes('alice@example.com') && !said.includes(token))
  })

  test('cannot be told anything by its caller, however it is named', async () => {
    for (const header of [
      'X-Ostiary-Subject',
      'x_ostiary_subject',
      'x-ostiary-identity',
      'X-Ostiary-Made-Up',
      'x.ostiary.roles',
    ]) {
      const { reply, told } = await call('/catalog/items', {
        [header]: 'forged',
        connection: `close, x-ostiary-subject, ${header}`,
      })
      assert.equal(reply.status, 200)
      assert.ok(!Object.values(told).includes('forged'), header)
      assert.deepEqual([told['x-ostiary-subject'], (await callerOf(told)).sub], [keyId, keyId])
    }
  })

  test('refuses a token that was made for another service, and one that is old or changed', async () => {
    const { told } = await call('/other/x')
    await assert.rejects(callerOf(told), /"aud"/)
    const { told: own } = await call('/catalog/x')
    const [head, claims, signature = ''] = String(own['x-ostiary-identity']).split('.')
    await assert.rejects(callerOf({ 'x-ostiary-identity': `${head}.${claims}.${signature.slice(0, -4)}AAAA` }))
    await assert.rejects(callerOf({}))
    // What the same issuer of people’s tokens says is no identity.
    await assert.rejects(callerOf({ 'x-ostiary-identity': await issuer.sign({ sub: 'alice' }) }))
  })

  test('that is not ours is told nothing', async () => {
    const { reply, told } = await call('/foreign/x')
    assert.equal(reply.status, 200)
    assert.deepEqual(
      Object.keys(told).filter(name => name.startsWith('x-ostiary-')),
      [],
    )
  })

  test('cannot call the gateway by what it was told', async () => {
    const { told } = await call('/catalog/items')
    const token = String(told['x-ostiary-identity'])
    for (const headers of [
      { authorization: `Bearer ${token}` },
      { 'x-ostiary-key': token },
      { authorization: `DPoP ${token}` },
    ]) {
      const reply = await ask(`${gateway.url}/catalog/items`, { method: 'GET', headers })
      assert.equal(reply.status, 401)
    }
  })

  test('meets the key of now from every worker, as soon as it signs', async () => {
    const rotated = await runCli(cliEnvOf(gateway), 'identity-keys', 'rotate', '--now', '--json')
    const [{ kid }] = JSON.parse(rotated.stdout)
    await until('both workers', async () => {
      const seen = await Promise.all(Array.from({ length: 8 }, () => call('/catalog/items')))
      return seen.every(({ told }) => told['x-ostiary-identity'] === undefined || kidOf(told) === kid) && kid
    })
    const { told } = await call('/catalog/items')
    assert.equal(kidOf(told), kid)
    const fresh = await loadVerifier(gateway.url)
    assert.equal((await fresh(told)).sub, keyId)
  })
})

function kidOf(told: IncomingHttpHeaders): string | undefined {
  return decodeProtectedHeader(String(told['x-ostiary-identity'])).kid
}

test('an issuer that publishes the gateway’s own keys makes none of its tokens a credential', async () => {
  await using backend = await startProvider((_request, res) => {
    res.end('ok')
  })
  await using gateway = await startGateway({
    yaml: `services: { catalog: { url: '${backend.url}', path: /catalog } }\n`,
  })
  const { secret } = await gateway.ostiary.keys.mint(
    { name: 'k', environment: 'live', scopes: ['catalog:read'] },
    internalActor('test'),
  )
  await ask(`${gateway.url}/catalog/x`, { method: 'GET', headers: { 'x-ostiary-key': secret.reveal() } })
  const token = String(backend.one().headers['x-ostiary-identity'])
  const { aud, iss } = decodeJwt(token)
  const trust = (preset: string) => `
issuers:
  self:
    preset: ${preset}
    issuer: ${iss}
    jwksUrl: ${gateway.url}/.well-known/ostiary/jwks.json
    allowPrivateNetwork: true
    audience: ['${aud}']
    algorithms: [ES256]
    grants: [{ scopes: ['models:read'] }]
`
  // By every preset that takes other types: signature, issuer and audience are right, and it is refused for its type.
  await using trusting = await startGateway({ yaml: trust('generic') })
  for (const preset of ['generic', 'keycloak', 'auth0']) {
    writeFileSync(trusting.configFile, trust(preset))
    await trusting.ostiary.reload('test')
    const reply = await ask(`${trusting.url}/v1/models`, {
      method: 'GET',
      headers: { authorization: `Bearer ${token}` },
    })
    assert.equal(reply.status, 401)
  }
  const refusals = await trusting.refusals(3)
  assert.deepEqual([...new Set(refusals.map(({ reason }) => reason))], ['token_type'])
})
