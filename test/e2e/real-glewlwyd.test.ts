import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { until } from '../support/gateway.ts'
import { CLIENT, type Glewlwyd, hasGlewlwyd, startGlewlwyd } from '../support/glewlwyd.ts'
import { chat, startWithProject } from '../support/token-calls.ts'

const yaml = (issuer: string, introspection: string) => (project: string) =>
  `
issuers:
  real:
    issuer: ${issuer}
    jwks: { refreshSeconds: 1, refetchSeconds: 1, refetchBurst: 100 }
    audience: [https://api.example.com]
    environment: test
    clockSkewSeconds: 0
    projects: [{ when: { client_id: ${CLIENT.id} }, project: ${project} }]
    grants: [{ when: { scope: ai.chat }, scopes: ['chat:create'] }]
    ${introspection}
`

const always = (issuer: string, signed: boolean) => `introspection:
      url: ${issuer}/introspect
      clientId: ${CLIENT.id}
      clientSecret: env:CLIENT_SECRET
      always: true
      cacheSeconds: 1
      signed: ${signed}`

const setups: Record<string, (issuer: string) => string> = {
  'verified by their signature alone': () => '',
  'asked about too': issuer => always(issuer, false),
  'asked about too, with signed answers': issuer => always(issuer, true),
}

describe('tokens of glewlwyd', { skip: !hasGlewlwyd && 'needs the package glewlwyd of Debian' }, () => {
  let idp: Glewlwyd

  before(async () => {
    idp = await startGlewlwyd()
  })
  after(() => idp?.[Symbol.asyncDispose]())

  for (const [name, introspection] of Object.entries(setups)) {
    describe(name, () => {
      let gateway: Awaited<ReturnType<typeof startWithProject>>

      before(async () => {
        const env = { CLIENT_SECRET: CLIENT.secret }
        gateway = await startWithProject(yaml(idp.issuer, introspection(idp.issuer)), env)
      })
      after(() => gateway?.[Symbol.asyncDispose]())

      it('give what their claims are granted, in the project that they name', async () => {
        const reply = await chat(gateway, await idp.token())
        assert.equal(reply.status, 200, reply.text)
        const { principal } = await gateway.event(String(reply.headers['x-request-id']))
        assert.equal(principal?.id, `real/${CLIENT.id}`)
        assert.equal(principal?.project, gateway.project)
      })

      it('are refused for another audience', async () => {
        assert.equal((await chat(gateway, await idp.token(null))).status, 401)
      })

      it('end with the key that they are signed by', async () => {
        const token = await idp.token()
        assert.equal((await chat(gateway, token)).status, 200)
        await idp.rotate()
        await until('the key’s end', async () => (await chat(gateway, token)).status === 401)
      })

      it('end when they say so, signed by a key that is new', async () => {
        await idp.rotate(5)
        const token = await idp.token()
        await until('the new key', async () => (await chat(gateway, token)).status === 200)
        await until('the token’s end', async () => (await chat(gateway, token)).status === 401)
        await idp.rotate()
        await until('the new key', async () => (await chat(gateway, await idp.token())).status === 200)
      })

      if (name === 'asked about too') {
        it('end within the cache’s time when they are revoked', async () => {
          const token = await idp.token()
          assert.equal((await chat(gateway, token)).status, 200)
          await idp.revoke(token)
          await until('the revocation', async () => (await chat(gateway, token)).status === 401, 5000)
        })
      }

      if (name === 'asked about too, with signed answers') {
        // It answers such a question with 400 and nothing else where the token is not active.
        it('are not let through once they are revoked, and others are still asked about', async () => {
          const revoked = await idp.token()
          await idp.revoke(revoked)
          for (let n = 0; n < 10; n++) assert.equal((await chat(gateway, revoked)).status, 503)
          assert.equal((await chat(gateway, await idp.token())).status, 200)
        })
      }
    })
  }
})
