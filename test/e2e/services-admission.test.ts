import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { ask, type Gateway, startGateway } from '../support/gateway.ts'
import { startTokenIssuer, type TokenIssuer } from '../support/token-issuer.ts'

const CHAT = JSON.stringify({ model: 'sandbox', messages: [{ role: 'user', content: 'Hello' }] })

/** What services and operations ask of their callers, whatever the credential reaches. */
describe('what an operation asks of its callers', () => {
  let gateway: Gateway
  let issuer: TokenIssuer
  const backend = createServer((_req, res) => res.end('here'))

  before(async () => {
    await new Promise<void>(resolve => backend.listen(0, '127.0.0.1', resolve))
    const { port } = backend.address() as AddressInfo
    issuer = await startTokenIssuer(1)
    gateway = await startGateway({
      yaml: `
listeners: { public: { trustedProxies: [127.0.0.9], forwarded: x-forwarded-for } }
issuers:
  company:${issuer
    .yaml()
    .replace(
      'grants: [{ scopes: [chat:create] }]',
      'grants: [{ when: { groups: staff }, roles: [viewer, staff] }, { when: { groups: editors }, roles: [admin, editor] }, { scopes: [chat:create, "reports:read", "reports:write", "reports:publish"] }]',
    )}
access:
  operations:
    openai.chat: { require: [{ kinds: [api_key] }, { acrValues: [mfa], maxAgeSeconds: 300 }] }
    openai.embeddings: { deny: [127.0.0.5] }
services:
  reports:
    path: /reports
    url: http://127.0.0.1:${port}
    tags: [test]
    allow: [127.0.0.0/8, 10.0.0.0/8]
    deny: [127.0.0.5]
    require: [{ roles: [staff] }, { roles: [editor] }]
    operations:
      publish:
        methods: [PUT]
        allow: [127.0.0.1, 10.0.0.0/8]
        require: [{ binding: [dpop] }, { issuers: [company], maxAgeSeconds: 300 }]
`,
    })
  })

  after(async () => {
    await gateway?.[Symbol.asyncDispose]()
    await issuer?.[Symbol.asyncDispose]()
    backend.close()
  })

  const now = () => Math.floor(Date.now() / 1000)
  const people = {
    staff: () => ({ sub: 'sam', groups: ['staff'] }),
    editor: () => ({ sub: 'edgar', groups: ['editors'], auth_time: now() - 10 }),
    'editor of yesterday': () => ({ sub: 'edgar', groups: ['editors'], auth_time: now() - 86_400 }),
    nobody: () => ({ sub: 'nora', auth_time: now() - 10 }),
  } as const
  const call = async (who: keyof typeof people, method: string, from = '127.0.0.1', headers = {}) =>
    ask(`${gateway.url}/reports/1`, {
      method,
      headers: { authorization: `Bearer ${await issuer.sign(people[who]())}`, ...headers },
      localAddress: from,
    })

  for (const [who, method, from, status, code] of [
    ['staff', 'GET', '127.0.0.1', 200, null],
    ['editor', 'GET', '127.0.0.1', 200, null],
    ['nobody', 'GET', '127.0.0.1', 403, 'policy.requirement'],
    ['staff', 'GET', '127.0.0.5', 403, 'policy.address'],
    ['editor', 'PUT', '127.0.0.1', 200, null],
    ['editor', 'PUT', '127.0.0.2', 403, 'policy.address'],
    ['editor', 'GET', '127.0.0.2', 200, null],
    ['staff', 'PUT', '127.0.0.1', 401, 'auth.insufficient_authentication'],
    ['editor of yesterday', 'PUT', '127.0.0.1', 401, 'auth.insufficient_authentication'],
    ['nobody', 'PUT', '127.0.0.1', 403, 'policy.requirement'],
  ] as const) {
    it(`answers ${status} to ${who}, ${method} from ${from}`, async () => {
      const reply = await call(who, method, from)
      assert.equal(reply.status, status, reply.text)
      if (code === null) return assert.equal(reply.text, 'here')
      assert.equal(JSON.parse(reply.text).code, code)
    })
  }

  it('asks for a more recent login where that is all that is missing (RFC 9470)', async () => {
    const reply = await call('editor of yesterday', 'PUT')
    assert.match(
      String(reply.headers['www-authenticate']),
      /^Bearer realm="ostiary", error="insufficient_user_authentication", .*max_age="300"/,
    )
  })

  it('hides from those without a credential whether their address would do', async () => {
    for (const localAddress of ['127.0.0.1', '127.0.0.5']) {
      for (const path of ['/reports/1', '/nothing/1']) {
        assert.equal((await ask(gateway.url + path, { method: 'GET', localAddress })).status, 401)
      }
    }
  })

  it('takes the word of a trusted proxy for where its caller is, and of nobody else', async () => {
    const forwarded = (address: string) => ({ 'x-forwarded-for': address })
    assert.equal((await call('editor', 'PUT', '127.0.0.9', forwarded('10.1.2.3'))).status, 200)
    assert.equal((await call('editor', 'PUT', '127.0.0.9', forwarded('192.0.2.1'))).status, 403)
    assert.equal((await call('editor', 'PUT', '127.0.0.2', forwarded('10.1.2.3'))).status, 403)
    assert.equal((await call('staff', 'GET', '127.0.0.5', forwarded('10.1.2.3'))).status, 403)
  })

  it('asks the same of callers of models', async () => {
    const chat = async (authorization: string) => {
      const headers = { authorization, 'content-type': 'application/json' }
      return ask(`${gateway.url}/v1/chat/completions`, { headers, body: CHAT })
    }
    assert.equal((await chat(`Bearer ${gateway.testKey}`)).status, 200)
    const strong = await issuer.sign({ sub: 'nora', acr: 'mfa', auth_time: now() - 5 })
    assert.equal((await chat(`Bearer ${strong}`)).status, 200)
    const weak = await chat(`Bearer ${await issuer.sign({ sub: 'nora', acr: 'pwd', auth_time: now() - 5 })}`)
    assert.equal(weak.status, 401)
    assert.match(String(weak.headers['www-authenticate']), /acr_values="mfa", max_age="300"/)
    const program = await chat(`Bearer ${await issuer.sign({ sub: 'app' })}`)
    assert.equal(program.status, 403, program.text)
  })
})
