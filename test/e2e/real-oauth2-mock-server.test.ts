import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type MutableResponse, type MutableToken, OAuth2Server } from 'oauth2-mock-server'
import { until } from '../support/gateway.ts'
import { chat, startWithProject } from '../support/token-calls.ts'

const AUDIENCE = 'https://api.example.com'

const yaml = (issuer: string) => (project: string) =>
  `
issuers:
  real:
    issuer: ${issuer}
    audience: [${AUDIENCE}]
    # It signs as many servers do that are older than RFC 9068.
    types: [JWT]
    environment: test
    clockSkewSeconds: 0
    jwks: { refreshSeconds: 1, refetchSeconds: 1, refetchBurst: 100 }
    projects: [{ when: { team: acme }, project: ${project} }]
    grants: [{ when: { scope: ai.chat }, scopes: ['chat:create'] }]
    introspection: { url: '${issuer}/introspect', clientId: ostiary, clientSecret: env:SECRET, negativeCacheSeconds: 0 }
`

describe('tokens of oauth2-mock-server', () => {
  const idp = new OAuth2Server()
  let issuer: string
  let gateway: Awaited<ReturnType<typeof startWithProject>>

  before(async () => {
    await idp.issuer.keys.generate('RS256', { kid: 'first' })
    await idp.start(0, '127.0.0.1')
    issuer = idp.issuer.url as string
    gateway = await startWithProject(yaml(issuer), { SECRET: 'any' })
  })
  after(async () => {
    await gateway?.[Symbol.asyncDispose]()
    await idp.stop()
  })

  /** A token of the grant `client_credentials`, over HTTP, with these claims beside the server's own. */
  async function token(claims: object = {}): Promise<string> {
    idp.service.once('beforeTokenSigning', ({ payload }: MutableToken) => {
      Object.assign(payload, { aud: AUDIENCE, sub: 'job-7', client_id: 'job-7', team: 'acme', ...claims })
    })
    const form = new URLSearchParams({ grant_type: 'client_credentials', scope: 'ai.chat' })
    const reply = await fetch(`${issuer}/token`, { method: 'POST', body: form })
    return ((await reply.json()) as { access_token: string }).access_token
  }

  it('give what their claims are granted, in the project that they name', async () => {
    const reply = await chat(gateway, await token())
    assert.equal(reply.status, 200, reply.text)
    const { principal } = await gateway.event(String(reply.headers['x-request-id']))
    assert.equal(principal?.id, 'real/job-7')
    assert.equal(principal?.project, gateway.project)
  })

  it('may do nothing without a scope that is granted something', async () => {
    assert.equal((await chat(gateway, await token({ scope: 'mail' }))).status, 403)
  })

  it('are refused for another audience', async () => {
    assert.equal((await chat(gateway, await token({ aud: 'https://other.example.com' }))).status, 401)
  })

  it('end when they say so', async () => {
    const brief = await token({ exp: Math.floor(Date.now() / 1000) + 5 })
    assert.equal((await chat(gateway, brief)).status, 200)
    await until('the token’s end', async () => (await chat(gateway, brief)).status === 401)
  })

  it('are signed by one key and then by another: whichever it publishes', async () => {
    const [first] = idp.issuer.keys.toJSON()
    await idp.issuer.keys.generate('RS256', { kid: 'second' })
    // Keys take turns.
    const kids = new Set<string>()
    for (let n = 0; n < 4; n++) {
      const signed = await token()
      kids.add(JSON.parse(Buffer.from(signed.split('.')[0] ?? '', 'base64url').toString()).kid)
      assert.equal((await chat(gateway, signed)).status, 200)
    }
    assert.deepEqual([...kids].sort(), [first?.kid, 'second'].sort())
  })

  it('opaque ones are not taken on the word that they are active alone', async () => {
    // Whatever it is asked about, it says so.
    assert.equal((await chat(gateway, 'opaque-1')).status, 401)
    idp.service.once('beforeIntrospect', (response: MutableResponse) => {
      const exp = Math.floor(Date.now() / 1000) + 60
      response.body = { active: true, aud: AUDIENCE, exp, sub: 'ada', client_id: 'app', scope: 'ai.chat', team: 'acme' }
    })
    const reply = await chat(gateway, 'opaque-2')
    assert.equal(reply.status, 200, reply.text)
    const { principal } = await gateway.event(String(reply.headers['x-request-id']))
    assert.equal(principal?.id, 'real:ada')
  })
})
