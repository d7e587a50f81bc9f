import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newProver, type Prover } from '#auth/dpop/proof-for-test.ts'
import { until } from '../support/gateway.ts'
import { GATEWAY, type OidcProvider, startOidcProvider } from '../support/oidc-provider.ts'
import { chat, chatWithProof, startWithProject } from '../support/token-calls.ts'

const yaml = (issuer: string, signed: boolean) => (project: string) =>
  `
issuers:
  real:
    issuer: ${issuer}
    jwks: { refreshSeconds: 1, refetchSeconds: 1, refetchBurst: 100 }
    audience: [https://api.example.com]
    environment: test
    clockSkewSeconds: 0
    projects: [{ when: { tenant: acme }, project: ${project} }]
    grants: [{ when: { scope: ai.chat }, scopes: ['chat:create'] }]
    introspection:
      url: ${issuer}/token/introspection
      clientId: ${GATEWAY.id}
      clientSecret: env:GATEWAY_SECRET
      cacheSeconds: 2
      signed: ${signed}
`

for (const signed of [false, true]) {
  describe(`tokens of oidc-provider, whose answers are ${signed ? 'signed' : 'plain'}`, () => {
    let idp: OidcProvider
    let gateway: Awaited<ReturnType<typeof startWithProject>>

    before(async () => {
      idp = await startOidcProvider()
      gateway = await startWithProject(yaml(idp.issuer, signed), { GATEWAY_SECRET: GATEWAY.secret })
    })
    after(async () => {
      await gateway?.[Symbol.asyncDispose]()
      await idp?.[Symbol.asyncDispose]()
    })

    for (const kind of ['jwt', 'opaque'] as const) {
      it(`${kind}: give what their claims are granted, in the project that they name`, async () => {
        const token = await idp.token(kind)
        assert.equal(token.split('.').length, kind === 'jwt' ? 3 : 1)
        const reply = await chat(gateway, token)
        assert.equal(reply.status, 200, reply.text)
        const { principal } = await gateway.event(String(reply.headers['x-request-id']))
        assert.equal(principal?.id, 'real/batch-job')
        assert.equal(principal?.project, gateway.project)
      })

      it(`${kind}: are refused for another audience`, async () => {
        assert.equal((await chat(gateway, await idp.token(kind === 'jwt' ? 'otherJwt' : 'otherOpaque'))).status, 401)
      })

      it(`${kind}: end when they say so`, async () => {
        const token = await idp.token(kind === 'jwt' ? 'briefJwt' : 'briefOpaque')
        assert.equal((await chat(gateway, token)).status, 200)
        await until('the token’s end', async () => (await chat(gateway, token)).status === 401)
      })
    }

    for (const kind of ['jwt', 'opaque'] as const) {
      it(`${kind}: bound to a key are good with its proof, and for nobody else`, async () => {
        const [holder, thief] = [await newProver(), await newProver()]
        const atIssuer = { url: `${idp.issuer}/token`, credential: '', claims: { ath: undefined } }
        const credential = await idp.token(kind, { DPoP: await holder.prove(atIssuer) })
        const proof = (by: Prover) => by.prove({ url: `${gateway.url}/v1/chat/completions`, credential })
        const reply = await chatWithProof(gateway, credential, await proof(holder))
        assert.equal(reply.status, 200, reply.text)
        assert.equal((await chatWithProof(gateway, credential, await proof(thief))).status, 401)
        assert.equal((await chat(gateway, credential)).status, 401)
      })
    }

    it('opaque: end within the cache’s time when they are revoked', async () => {
      const token = await idp.token('opaque')
      assert.equal((await chat(gateway, token)).status, 200)
      await idp.revoke(token)
      await until('the revocation', async () => (await chat(gateway, token)).status === 401, 5000)
    })

    it('jwt: are good with a new key at once, and no longer with one that is not published any more', async () => {
      const [known, unseen] = [await idp.token('jwt'), await idp.token('jwt')]
      assert.equal((await chat(gateway, known)).status, 200)
      await idp.rotate()
      assert.equal((await chat(gateway, await idp.token('jwt'))).status, 200)
      for (const token of [known, unseen]) {
        await until('the key’s end', async () => (await chat(gateway, token)).status === 401)
      }
    })

    it('opaque: one that nobody issued is refused', async () => {
      assert.equal((await chat(gateway, 'x'.repeat(43))).status, 401)
    })
  })
}
