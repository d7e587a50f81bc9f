import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { RESOURCE_METADATA_PATH } from '#gateway/resource-metadata.ts'
import { ask, type Gateway, startGateway } from '../support/gateway.ts'

const ISSUERS = `
issuers:
  company:
    issuer: https://id.example.com/realms/staff
    audience: [ostiary]
    jwksUrl: http://127.0.0.1:1/keys
  ci:
    preset: github-actions
    issuer: https://token.actions.githubusercontent.com
    audience: [ostiary]
    requiredClaims: { repository_owner: example }
`
const URL_OF_RESOURCE = 'https://ai.example.com'

describe('metadata of the protected resource (RFC 9728)', () => {
  let gateway: Gateway
  let local: string
  before(async () => {
    gateway = await startGateway({ yaml: ISSUERS, env: { OSTIARY_LISTENERS_PUBLIC_URL: URL_OF_RESOURCE } })
    local = `http://127.0.0.1:${gateway.ostiary.supervisor.port}`
  })
  after(() => gateway[Symbol.asyncDispose]())

  test('tells anybody where to get tokens, and names nothing else of the configuration', async () => {
    const reply = await ask(local + RESOURCE_METADATA_PATH, { method: 'GET', headers: { host: 'evil.example' } })
    assert.equal(reply.status, 200)
    assert.equal(reply.headers['content-type'], 'application/json')
    assert.equal(reply.headers['access-control-allow-origin'], '*')
    const document = JSON.parse(reply.text)
    assert.equal(document.resource, URL_OF_RESOURCE)
    assert.deepEqual(document.authorization_servers, ['https://id.example.com/realms/staff'])
    assert.ok(document.scopes_supported.includes('chat:create'))
    assert.deepEqual(document.bearer_methods_supported, ['header'])
  })

  test('is found by the challenge, with and without a credential', async () => {
    for (const headers of [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.x' },
    ]) {
      const reply = await ask(`${local}/v1/models`, { method: 'GET', headers })
      assert.equal(reply.status, 401)
      assert.match(
        String(reply.headers['www-authenticate']),
        new RegExp(`^Bearer realm="ostiary",.* ?resource_metadata="${URL_OF_RESOURCE}${RESOURCE_METADATA_PATH}"$`),
      )
    }
  })

  test('HEAD has no body; other methods and paths beside it are like any unknown path', async () => {
    const head = await ask(local + RESOURCE_METADATA_PATH, { method: 'HEAD' })
    assert.deepEqual([head.status, head.text], [200, ''])
    for (const [method, path] of [
      ['POST', RESOURCE_METADATA_PATH],
      ['GET', `${RESOURCE_METADATA_PATH}/`],
      ['GET', `${RESOURCE_METADATA_PATH}/v1`],
      ['GET', '/.well-known/openid-configuration'],
    ] as const) {
      assert.equal((await ask(local + path, { method })).status, 401, `${method} ${path}`)
    }
  })
})

test('a gateway that takes no tokens has none', async () => {
  await using gateway = await startGateway()
  const reply = await ask(gateway.url + RESOURCE_METADATA_PATH, { method: 'GET' })
  assert.deepEqual([reply.status, reply.headers['www-authenticate']], [401, 'Bearer realm="ostiary"'])
})
