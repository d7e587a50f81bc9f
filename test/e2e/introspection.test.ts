import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { type Gateway, startGateway, until } from '../support/gateway.ts'
import {
  activeClaims,
  type Endpoint,
  INTROSPECTION_ENV,
  ISSUER,
  introspectionYaml,
  startEndpoint,
} from '../support/introspection.ts'
import { askAdmin, cliEnvOf, createDeployment, runCli, startProcess } from '../support/process.ts'
import { sendJson, startProvider } from '../support/provider.ts'
import { chat } from '../support/token-calls.ts'

/** Reasons of refusals that were recorded, with how many calls they refused. */
async function reasons(gateway: Gateway, atLeast: number): Promise<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const { problem, reason, count } of await gateway.refusals(atLeast)) {
    const name = `${problem} ${reason}`
    sums[name] = (sums[name] ?? 0) + count
  }
  return sums
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

  it('may do nothing that no rule grants', async () => {
    endpoint.tokens.set('unmapped', activeClaims({ scope: 'profile' }))
    const reply = await chat(gateway, 'unmapped')
    assert.equal(reply.status, 403, reply.text)
  })

  it('that are bound to a key are not for their bearer', async () => {
    endpoint.tokens.set('bound', activeClaims({ token_type: 'DPoP', cnf: { jkt: 'A'.repeat(43) } }))
    assert.equal((await chat(gateway, 'bound')).status, 401)
  })

  it('end where the revocation list names them', async () => {
    endpoint.tokens.set('listed', activeClaims({ jti: 'j-listed', sub: 'bob' }))
    assert.equal((await chat(gateway, 'listed')).status, 200)
    const entry = { issuer: 'company', kind: 'subject', value: 'bob' }
    assert.equal((await askAdmin(gateway, '/api/revocations', entry)).status, 201)
    await until('the revocation', async () => (await chat(gateway, 'listed')).status === 401, 5000)
  })

  it('keep API keys to the gateway: mistyped ones are told to nobody', async () => {
    endpoint.server.requests.length = 0
    const key = await gateway.liveKey()
    for (const text of [key.slice(0, -1), `${key}x`, key.toLowerCase(), 'sk_live_short']) {
      assert.equal((await chat(gateway, text)).status, 401, text)
    }
    assert.deepEqual(endpoint.asked(), [])
  })

  it('have their endpoint looked at by issuers check, with the client’s secret as it is now', async () => {
    const check = () => runCli(cliEnvOf(gateway), 'issuers', 'check', 'company')
    const { length } = endpoint.asked()
    assert.match((await check()).stdout, /^info +introspection_works\n +Its introspection endpoint works/m)
    assert.equal(endpoint.asked().length, length + 1)
    endpoint.answer = (_token, res) => res.writeHead(401).end()
    const { code, stdout } = await check()
    endpoint.answer = null
    assert.equal(code, 1)
    assert.match(
      stdout,
      /^error +introspection_client_refused\n +Its introspection endpoint refuses the gateway’s client/m,
    )
    assert.ok(!stdout.includes(INTROSPECTION_ENV.INTROSPECTION))
  })
})

describe('what the endpoint does', () => {
  let endpoint: Endpoint
  let gateway: Gateway

  before(async () => {
    endpoint = await startEndpoint()
    const yaml = introspectionYaml(endpoint.url, 'timeoutMs: 1500, negativeCacheSeconds: 0')
    gateway = await startGateway({ yaml, env: INTROSPECTION_ENV })
  })
  after(async () => {
    await gateway?.[Symbol.asyncDispose]()
    await endpoint?.[Symbol.asyncDispose]()
  })

  it('decides between 401, which tells nothing more, and 503, each with its reason on record', async () => {
    const answers: Record<string, [status: number, reason: string, answer: NonNullable<Endpoint['answer']>]> = {
      inactive: [401, 'introspection_inactive', (_, res) => sendJson(res, 200, { active: false })],
      audience: [401, 'token_audience', (_, res) => sendJson(res, 200, activeClaims({ aud: 'other' }))],
      expired: [401, 'token_expired', (_, res) => sendJson(res, 200, activeClaims({ exp: 1_700_000_000, iat: 1 }))],
      issuer: [401, 'introspection_issuer', (_, res) => sendJson(res, 200, activeClaims({ iss: 'https://x' }))],
      text: [503, 'introspection_malformed', (_, res) => sendJson(res, 200, activeClaims({ active: 'true' }))],
      one: [503, 'introspection_malformed', (_, res) => sendJson(res, 200, activeClaims({ active: 1 }))],
      list: [503, 'introspection_malformed', (_, res) => sendJson(res, 200, [activeClaims()])],
      page: [503, 'introspection_malformed', (_, res) => void res.setHeader('content-type', 'text/html').end('<p>')],
      huge: [503, 'introspection_too_large', (_, res) => sendJson(res, 200, { active: true, x: 'x'.repeat(70_000) })],
      failing: [503, 'introspection_status', (_, res) => sendJson(res, 500, activeClaims())],
      redirect: [503, 'introspection_redirect', (_, res) => void res.writeHead(302, { location: '/x' }).end()],
      cut: [503, 'introspection_broken', (_, res) => void res.destroy()],
      slow: [503, 'introspection_timeout', () => {}],
      drip: [503, 'introspection_timeout', (_, res) => drip(res)],
    }
    const bodies = new Set<string>()
    const expected: Record<string, number> = {}
    for (const [name, [status, reason, answer]] of Object.entries(answers)) {
      // Good answers in between keep the endpoint from being taken for dead.
      endpoint.answer = null
      endpoint.tokens.set(`good-${name}`, activeClaims())
      assert.equal((await chat(gateway, `good-${name}`)).status, 200)
      endpoint.answer = answer
      const reply = await chat(gateway, `bad-${name}`)
      assert.equal(reply.status, status, name)
      if (status === 401) bodies.add(reply.text.replaceAll(String(reply.headers['x-request-id']), ''))
      if (status === 503) assert.equal(reply.headers['www-authenticate'], undefined)
      const code = status === 401 ? 'auth.invalid_credential' : 'auth.issuer_unavailable'
      expected[`${code} ${reason}`] = (expected[`${code} ${reason}`] ?? 0) + 1
    }
    assert.equal(bodies.size, 1, 'all refusals are alike')
    assert.deepEqual(await reasons(gateway, Object.keys(answers).length), expected)
  })

  it('is its own affair: while it is down others are answered at once, known tokens work, then all is as before', async () => {
    endpoint.answer = null
    endpoint.tokens.set('known', activeClaims())
    assert.equal((await chat(gateway, 'known')).status, 200)
    endpoint.answer = (_, res) => void res.destroy()
    for (let n = 0; n < 10; n++) assert.equal((await chat(gateway, `unknown-${n}`)).status, 503)
    endpoint.server.requests.length = 0
    for (let n = 0; n < 20; n++) assert.equal((await chat(gateway, `later-${n}`)).status, 503)
    assert.ok(endpoint.asked().length <= 5, `asked ${endpoint.asked().length} times`)
    assert.equal((await chat(gateway, 'known')).status, 200)
    assert.equal((await chat(gateway, gateway.testKey)).status, 200, 'keys have nothing to do with it')
    endpoint.answer = null
    endpoint.tokens.set('new', activeClaims())
    await until('the breaker to close', async () => (await chat(gateway, 'new')).status === 200)
  })
})

function drip(res: import('node:http').ServerResponse): void {
  res.writeHead(200, { 'content-type': 'application/json' })
  const dripping = setInterval(() => res.write(' '), 20)
  res.on('close', () => clearInterval(dripping))
}

describe('a flood of made-up tokens', {
  skip: process.platform !== 'linux' && 'needs more than one loopback address',
}, () => {
  it('is asked about 100 times; new tokens of other sources are asked about all the same', async () => {
    await using endpoint = await startEndpoint()
    await using gateway = await startGateway({
      yaml: introspectionYaml(endpoint.url),
      // Refusals to one source would leave late otherwise.
      env: { ...INTROSPECTION_ENV, OSTIARY_OVERLOAD_MAX_FAILURES_PER_SECOND: '100000' },
    })
    const statuses = new Map<number, number>()
    const flood = async (n: number) => {
      const { status } = await chat(gateway, `made-up-${n}`, '127.0.0.66')
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
    for (let n = 0; n < 400; n += 50) await Promise.all(Array.from({ length: 50 }, (_, m) => flood(n + m)))
    assert.equal((statuses.get(401) ?? 0) + (statuses.get(503) ?? 0), 400)
    // What fills up again meanwhile is 100 a minute.
    const asked = endpoint.asked().length
    assert.ok(asked >= 100 && asked < 150, `asked ${asked} times`)
    endpoint.tokens.set('good', activeClaims())
    assert.equal((await chat(gateway, 'good', '127.0.0.7')).status, 200)
    assert.equal((await chat(gateway, gateway.testKey, '127.0.0.66')).status, 200, 'a good key of the same source')
  })
})

describe('signed answers', () => {
  it('are verified with the issuer’s keys, and are no access tokens', async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256')
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }
    await using jwks = await startProvider((_request, res) => sendJson(res, 200, { keys: [jwk] }))
    await using endpoint = await startEndpoint()
    const yaml = introspectionYaml(endpoint.url, 'signed: true', `${jwks.url}/jwks`)
    await using gateway = await startGateway({ yaml, env: INTROSPECTION_ENV })
    const sign = (typ: string) =>
      new SignJWT({ ...activeClaims(), iss: ISSUER, token_introspection: activeClaims() })
        .setProtectedHeader({ alg: 'RS256', kid: 'k1', typ })
        .setIssuedAt()
        .sign(privateKey)
    const answer = await sign('token-introspection+jwt')
    endpoint.answer = (_token, res, { headers }) => {
      assert.equal(headers.accept, 'application/token-introspection+jwt')
      res.setHeader('content-type', 'application/token-introspection+jwt').end(answer)
    }
    assert.equal((await chat(gateway, 'opaque')).status, 200)
    assert.equal((await chat(gateway, await sign('at+jwt'))).status, 200, 'the same claims as an access token')
    assert.equal((await chat(gateway, answer)).status, 401)
    endpoint.answer = (_token, res) => sendJson(res, 200, activeClaims())
    assert.equal((await chat(gateway, 'unsigned')).status, 503)
    assert.deepEqual(await reasons(gateway, 2), {
      'auth.invalid_credential token_type': 1,
      'auth.issuer_unavailable introspection_unsigned': 1,
    })
  })
})

describe('the gateway’s own client', () => {
  it('that the issuer refuses is named in the log once, without its secret, and calls are answered 503', async () => {
    await using endpoint = await startEndpoint()
    endpoint.answer = (_token, res) => sendJson(res, 401, { error: 'invalid_client' })
    using deployment = createDeployment(introspectionYaml(endpoint.url), INTROSPECTION_ENV)
    await using gateway = await startProcess(deployment)
    for (let n = 0; n < 20; n++) assert.equal((await chat(gateway, `token-${n}`)).status, 503)
    await until('the log', () => gateway.stderr().includes('refuses the gateway’s own client'))
    const lines = gateway
      .stderr()
      .split('\n')
      .filter(line => line.includes('refuses the gateway’s own client'))
    assert.equal(lines.length, 1)
    assert.deepEqual(
      ['issuer', 'trouble', 'level'].map(name => JSON.parse(lines[0] ?? '')[name]),
      ['company', 'introspection_client_refused', 50],
    )
    assert.ok(!gateway.stderr().includes(INTROSPECTION_ENV.INTROSPECTION))
    assert.ok(!gateway.stderr().includes('token-1'))
  })
})
