import { createPublicKey, createSign, generateKeyPairSync, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { chatBody } from './bodies.ts'
import { type FloodLatency, measureArrivals } from './flood-latency.ts'
import { type Contender, type Duration, measureSideBySide, type Row, warmUp } from './measure.ts'
import { startOstiary } from './ostiary.ts'
import { freePort, measuredCore } from './processes.ts'

export const tokenCalls = {
  load: '2 KB, by credential',
  key: 'API key',
  cached: 'token, cached',
  uncached: 'token, RS256, not cached',
} as const

/** More than a worker remembers, in turn: each is verified anew. */
const TOKENS = 2000
const REMEMBERED = 1000
const FLOOD = 10_000

export interface TokenFlood {
  readonly latency: FloodLatency
  /** Times that the issuer was asked for its keys while tokens with made-up key ids came. */
  readonly fetches: number
}

/** Calls with an API key, with one token, and with tokens that are all verified anew: one gateway, all else equal. */
export async function measureTokens(upstreamPort: number, duration: Duration): Promise<Row[]> {
  await using issuer = await startIssuer()
  const { server, url, headers } = await startGateway(issuer.origin, upstreamPort)
  const load = { url, body: chatBody(2) }
  const one = { authorization: `Bearer ${issuer.sign('cached')}` }
  const many = Array.from({ length: TOKENS }, (_, n) => issuer.sign(`subject-${n}`))
  const contenders: Contender[] = [
    { name: tokenCalls.key, server, load: { ...load, headers }, expectedStatus: 200 },
    { name: tokenCalls.cached, server, load: { ...load, headers: one }, expectedStatus: 200 },
    { name: tokenCalls.uncached, server, load: { ...load, headers: {}, keys: many }, expectedStatus: 200 },
  ]
  await warmUp(contenders, duration)
  const rows = await measureSideBySide(tokenCalls.load, contenders, duration)
  await server.stop()
  return rows
}

/** What callers with a good token notice of a flood of tokens that name keys nobody has, from another address; one worker. */
export async function measureTokenFlood(upstreamPort: number, duration: Duration): Promise<TokenFlood> {
  await using issuer = await startIssuer()
  const gateway = await startGateway(issuer.origin, upstreamPort)
  const before = issuer.fetches()
  const made = Array.from({ length: FLOOD }, () => issuer.sign('flood', randomUUID()))
  const latency = await measureArrivals({ ...gateway, key: issuer.sign('caller') }, made, duration)
  const fetches = issuer.fetches() - before
  await gateway.server.stop()
  return { latency, fetches }
}

async function startGateway(issuer: string, upstreamPort: number) {
  const port = await freePort()
  const config = {
    issuers: {
      bench: {
        issuer,
        jwksUrl: `${issuer}/keys`,
        audience: ['bench'],
        environment: 'test',
        grants: [{ scopes: ['chat:create'] }],
      },
    },
  }
  const env = { OSTIARY_KEYS_CACHE_SIZE: String(REMEMBERED) }
  return { port, ...(await startOstiary({ cores: measuredCore, workers: 1, port, upstreamPort, config, env })) }
}

/** An issuer with one RSA key of 2048 bits, and the tokens that it signs. */
async function startIssuer() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid: 'bench', alg: 'RS256', use: 'sig' }
  let fetches = 0
  const server = createServer((_req, res) => {
    fetches++
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: [jwk] }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    origin,
    fetches: () => fetches,
    sign(sub: string, kid = 'bench'): string {
      const iat = Math.floor(Date.now() / 1000)
      const claims = { iss: origin, aud: 'bench', sub, client_id: 'bench', iat, exp: iat + 3600, jti: randomUUID() }
      const text = `${encode({ alg: 'RS256', typ: 'at+jwt', kid })}.${encode(claims)}`
      return `${text}.${createSign('RSA-SHA256').update(text).sign(privateKey, 'base64url')}`
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
