import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type JWTPayload, SignJWT } from 'jose'

/** A key pair of an issuer. */
export interface SigningKey {
  readonly kid: string
  readonly privateKey: KeyObject
  /** As it is published. */
  readonly jwk: Readonly<Record<string, unknown>>
}

export function makeSigningKey(kid: string, members: object = { alg: 'ES256', use: 'sig' }): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, ...members } }
}

type Script = (req: IncomingMessage, res: ServerResponse) => void

/** A server in the place of an identity provider, which does what a test says. */
export interface ScriptedIssuer extends AsyncDisposable {
  readonly url: string
  /** The issuer identifier, which has a path. */
  readonly issuer: string
  /** Keys that it publishes. */
  keys: readonly object[]
  /** What it says of itself beside the usual. */
  metadata: object
  /** In the place of the metadata, of the keys; null = as usual. */
  onMetadata: Script | null
  onKeys: Script | null
  /** Further headers of the keys. */
  headers: Record<string, string>
  /** Paths that it was asked for. */
  readonly asked: string[]
  /** How often it was asked for keys. */
  fetches(): number
}

/** With a certificate for `localhost` it speaks TLS. */
export async function startIssuer(tls?: { readonly key: string; readonly cert: string }): Promise<ScriptedIssuer> {
  const serve: Script = (req, res) => {
    const path = req.url ?? ''
    issuer.asked.push(path)
    if (path === '/realm/.well-known/openid-configuration') {
      if (issuer.onMetadata !== null) return issuer.onMetadata(req, res)
      return sendJson(res, { issuer: issuer.issuer, jwks_uri: `${issuer.url}/keys`, ...issuer.metadata })
    }
    if (path === '/keys') {
      if (issuer.onKeys !== null) return issuer.onKeys(req, res)
      return sendJson(res, { keys: issuer.keys }, issuer.headers)
    }
    res.writeHead(404).end()
  }
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve)
  server.on('clientError', (_error, socket) => socket.destroy())
  server.listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const url = tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`
  const issuer: ScriptedIssuer = {
    url,
    issuer: `${url}/realm`,
    keys: [],
    metadata: {},
    onMetadata: null,
    onKeys: null,
    headers: {},
    asked: [],
    fetches: () => issuer.asked.filter(path => path === '/keys').length,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
  return issuer
}

export function sendJson(res: ServerResponse, body: object, headers: Record<string, string> = {}): void {
  res.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** An access token as RFC 9068 says, five minutes good; each is another. */
export function signToken(issuer: string, key: SigningKey, claims: JWTPayload = {}, kid = key.kid): Promise<string> {
  const header = { alg: 'ES256', typ: 'at+jwt', kid }
  return new SignJWT({ sub: 'ada', client_id: 'app', scope: 'ai', ...claims })
    .setProtectedHeader(header)
    .setIssuer(issuer)
    .setAudience('ostiary')
    .setJti(randomUUID())
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(key.privateKey)
}

/** The member `issuers` with this one, under the name `company`. */
export function issuerYaml({ issuer }: Pick<ScriptedIssuer, 'issuer'>, members = ''): string {
  return `issuers:
  company:
    issuer: ${issuer}
    audience: [ostiary]
    algorithms: [ES256]
    grants: [{ when: { scope: ai }, scopes: [chat:create, models:read] }]
    environment: test
    ${members}
`
}
