import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ask, type Gateway, type Reply, startGateway, until } from '../support/gateway.ts'
import { askAdmin } from '../support/process.ts'
import { sendJson, startProvider } from '../support/provider.ts'
import { startTokenIssuer, type TokenIssuer } from '../support/token-issuer.ts'

const body = JSON.stringify({ model: 'sandbox', max_tokens: 50, messages: [{ role: 'user', content: 'Hello' }] })

describe('callers with tokens', () => {
  let issuer: TokenIssuer
  let gateway: Gateway
  before(async () => {
    issuer = await startTokenIssuer()
    gateway = await startGateway({
      workers: 2,
      yaml: `
issuers:
  company: ${issuer.yaml()}
  bank: ${issuer.yaml().replaceAll(`issuer: ${issuer.url}`, `issuer: ${issuer.url}/bank`)}
    authentication: { acrValues: [phr], maxAgeSeconds: 300 }
limits:
  person: { unit: requests, amount: 3, windowSeconds: 600, per: [user], operations: [openai.chat] }
  app: { unit: requests, amount: 5, windowSeconds: 600, per: [client], operations: [openai.chat] }
budgets:
  person-tokens: { unit: tokens, amount: 100000, period: day, per: [user] }
`,
    })
  })
  after(async () => {
    await gateway[Symbol.asyncDispose]()
    await issuer[Symbol.asyncDispose]()
  })

  async function call(claims: Readonly<Record<string, unknown>>): Promise<Reply> {
    return callWith(await issuer.sign(claims))
  }

  function callWith(credential: string): Promise<Reply> {
    const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' }
    return ask(`${gateway.url}/v1/chat/completions`, { headers, body })
  }

  test('limits per user and per client count each of them over all workers, and leave keys alone', async () => {
    const statusOf = async (sub: string, client: string) => (await call({ sub, client_id: client })).status
    const anns = await Promise.all(Array.from({ length: 6 }, () => statusOf('ann', 'app-1')))
    assert.deepEqual(anns.toSorted(), [200, 200, 200, 429, 429, 429], 'three of a person')
    const others = await Promise.all(['bob', 'cem', 'dee', 'eva'].map(sub => statusOf(sub, 'app-1')))
    assert.deepEqual(others.toSorted(), [200, 200, 429, 429], 'five of a client, whoever uses it')
    assert.equal(await statusOf('bob', 'app-2'), 200)
    const refused = await call({ sub: 'ann', client_id: 'app-3' })
    assert.equal(refused.status, 429)
    for (let n = 0; n < 7; n++) assert.equal((await callWith(gateway.testKey)).status, 200)
  })

  test('what a person used is summed up under their id, and drawn from their budget', async () => {
    assert.equal((await call({ sub: 'zoe' })).status, 200)
    const standing = await ask(`${gateway.url}/ostiary/key`, {
      method: 'GET',
      headers: { authorization: `Bearer ${await issuer.sign({ sub: 'zoe' })}` },
    })
    const { budgets } = JSON.parse(standing.text)
    assert.equal(budgets.length, 1)
    assert.ok(budgets[0].remaining < 100_000, standing.text)
    const admin = { adminUrl: gateway.adminUrl, dataDirectory: gateway.dataDirectory }
    await until('the use of zoe', async () => {
      const { json } = await askAdmin(admin, '/api/usage?by=key')
      return JSON.stringify(json).includes('"company:zoe"')
    })
  })

  test('a login that is too weak or too old is met with the challenge of RFC 9470; a better one passes', async () => {
    const iss = `${issuer.url}/bank`
    const now = Math.floor(Date.now() / 1000)
    for (const claims of [{}, { acr: 'pwd', auth_time: now }, { acr: 'phr', auth_time: now - 400 }]) {
      const reply = await call({ iss, sub: 'kim', ...claims })
      assert.equal(reply.status, 401)
      assert.match(
        String(reply.headers['www-authenticate']),
        /^Bearer realm="ostiary", error="insufficient_user_authentication", .*acr_values="phr", max_age="300", resource_metadata="/,
      )
      assert.equal(JSON.parse(reply.text).error.code, 'auth.insufficient_authentication')
    }
    assert.equal((await call({ iss, sub: 'kim', acr: 'phr', auth_time: now - 10 })).status, 200)
    assert.equal((await call({ iss, sub: 'robot', client_id: 'robot' })).status, 200, 'a program does not log in')
  })

  test('the event says who called: the person, the client, the token', async () => {
    const reply = await call({ sub: 'max', client_id: 'app-9', jti: 'the jti', sid: 'the session' })
    const { principal } = await gateway.event(String(reply.headers['x-request-id']))
    assert.deepEqual(principal, {
      ...{ kind: 'user', id: 'company:max', project: 'proj_default', environment: 'test' },
      ...{ client: 'app-9', tokenId: 'the jti', session: 'the session' },
    })
  })

  test('a token without rights is refused with what it lacks', async () => {
    const reply = await ask(`${gateway.url}/v1/embeddings`, {
      headers: { authorization: `Bearer ${await issuer.sign({ sub: 'ann' })}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'sandbox', input: 'x' }),
    })
    assert.equal(reply.status, 403)
    assert.match(String(reply.headers['www-authenticate']), /error="insufficient_scope", scope="embeddings:create"/)
    assert.match(JSON.parse(reply.text).error.message, /token of company:ann/)
  })
})

test('a provider that takes the caller’s own token gets that and nothing else; a key, or a bound token, goes nowhere', async () => {
  await using issuer = await startTokenIssuer()
  await using provider = await startProvider((_request, res) => sendJson(res, 200, { choices: [] }))
  await using gateway = await startGateway({
    yaml: `
issuers:
  company: ${issuer.yaml()}
  partner: ${issuer.yaml().replaceAll(`issuer: ${issuer.url}`, `issuer: ${issuer.url}/partner`)}
providers:
  inner: { format: openai, baseUrl: '${provider.url}', callerToken: company, tags: [test] }
models:
  inner: { provider: inner }
`,
  })
  const call = (headers: Record<string, string>) =>
    ask(`${gateway.url}/v1/chat/completions`, {
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'inner', messages: [] }),
    })
  const token = await issuer.sign({ sub: 'ann' })
  assert.equal((await call({ authorization: `Bearer ${token}` })).status, 200)
  assert.equal(provider.one().headers.authorization, `Bearer ${token}`)
  assert.equal((await call({ 'x-api-key': token })).status, 200)
  const { headers } = provider.one()
  assert.deepEqual([headers.authorization, headers['x-api-key']], [`Bearer ${token}`, undefined])
  const refused = await call({ authorization: `Bearer ${gateway.testKey}` })
  assert.equal(refused.status, 403)
  assert.match(refused.text, /own access token/)
  const partner = await issuer.sign({ iss: `${issuer.url}/partner`, sub: 'ann' })
  assert.equal((await call({ authorization: `Bearer ${partner}` })).status, 403)
  assert.equal(provider.requests.length, 0)
})
