import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ask, type Gateway, type Reply, startGateway } from '../support/gateway.ts'
import {
  activeClaims,
  type Endpoint,
  INTROSPECTION_ENV,
  introspectionYaml,
  startEndpoint,
} from '../support/introspection.ts'

const CHAT = JSON.stringify({ model: 'sandbox', messages: [{ role: 'user', content: 'Hello' }] })

function chat({ url }: Gateway, token: string, from = '127.0.0.1'): Promise<Reply> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return ask(`${url}/v1/chat/completions`, { headers, body: CHAT, localAddress: from })
}

describe('opaque tokens', () => {
  let endpoint: Endpoint
  let gateway: Gateway

  before(async () => {
    endpoint = await startEndpoint()
    gateway = await startGateway({ yaml: introspectionYaml(endpoint.url), env: INTROSPECTION_ENV })
  })
  after(async () => {
    await gateway?.[Symbol.asyncDispose]()
    await endpoint?.[Symbol.asyncDispose]()
  })

  it('are asked about as RFC 7662 says, and give what their claims are granted', async () => {
    endpoint.tokens.set('good-token', activeClaims())
    const reply = await chat(gateway, 'good-token')
    assert.equal(reply.status, 200, reply.text)
    const { method, path, headers, body } = endpoint.server.one()
    assert.deepEqual([method, path], ['POST', '/introspect'])
    assert.equal(headers['content-type'], 'application/x-www-form-urlencoded')
    assert.equal(headers.accept, 'application/json')
    assert.equal(body.toString(), 'token=good-token&token_type_hint=access_token')
    // RFC 6749 §2.3.1, appendix B: encoded as in a form before it is joined.
    const pair = Buffer.from(headers.authorization?.slice('Basic '.length) ?? '', 'base64').toString()
    assert.equal(pair, 'gate+way:pass%3Aword%26more')
    const event = await gateway.event(String(reply.headers['x-request-id']))
    assert.equal(event.credential, 'company:alice')
    assert.equal(event.principal?.project, 'proj_default')
  })

  it('are remembered', async () => {
    endpoint.tokens.set('twice', activeClaims())
    assert.equal((await chat(gateway, 'twice')).status, 200)
    assert.equal((await chat(gateway, 'twice')).status, 200)
    assert.equal(endpoint.server.one().method, 'POST')
  })
})
