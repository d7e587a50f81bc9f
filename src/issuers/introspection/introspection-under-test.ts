import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { type CryptoKey, generateKeyPair, type JWTHeaderParameters, SignJWT } from 'jose'
import type { Scope } from '#core/operations.ts'
import { Problem } from '#core/problems.ts'
import { Secret } from '#core/secret.ts'
import { createUpstream } from '#http/upstream.ts'
import type { Issuer } from '#issuers/issuer.ts'
import { makeIssuer } from '#issuers/issuer-under-test.ts'
import type { IssuerKeys } from '#issuers/keys/issuer-keys.ts'
import { createIntrospector, type Introspector } from './introspect.ts'
import type { Introspection } from './introspection.ts'

export const NOW = 1_800_000_000_000
export const seconds = NOW / 1000

export const issuer: Issuer = makeIssuer({
  audience: new Set(['api', 'other-api']),
  algorithms: new Set(['ES256']),
  skewMs: 5000,
  maxLifetimeMs: 86_400_000,
  grants: [{ when: new Map([['scope', 'ai']]), scopes: ['chat:create'], roles: ['developer'], models: null }],
})

/** What the issuer says of a good token. */
export const active = {
  active: true,
  iss: issuer.issuer,
  aud: 'api',
  sub: 'alice',
  client_id: 'app',
  scope: 'ai profile',
  token_type: 'Bearer',
  iat: seconds - 10,
  exp: seconds + 600,
}

/** One question as it arrived, and the way to answer it. */
export type AnswerQuestion = (token: string, res: ServerResponse, req: IncomingMessage, body: string) => void

export interface UnderTest {
  readonly introspector: Introspector
  /** Tokens that were asked about, in order. */
  readonly asked: string[]
  /** What an operator was told: the trouble, or null. */
  readonly told: (string | null)[]
  /** What the clock shows, ms since the epoch. */
  now: number
  answer: AnswerQuestion
  /** Code and reason of the refusal, or the id of whom the token is about. */
  ask(token: string, source?: string): Promise<string>
}

/** Introspection of one issuer over real connections to a scripted endpoint. */
export async function openIntrospection(
  t: TestContext,
  answer: AnswerQuestion,
  members: Partial<Introspection> = {},
  more: { readonly keys?: IssuerKeys; readonly cacheSize?: number } = {},
): Promise<UnderTest> {
  const server = createServer((req, res) => {
    let body = ''
    req.setEncoding('utf8').on('data', text => {
      body += text
    })
    req.on('end', () => {
      const token = new URLSearchParams(body).get('token') ?? ''
      underTest.asked.push(token)
      underTest.answer(token, res, req, body)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const timeoutMs = members.timeoutMs ?? 2000
  const upstream = createUpstream({
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: 64,
    connectTimeoutMs: timeoutMs,
    timeoutMs,
    idleTimeoutMs: timeoutMs,
    allowPrivateNetwork: false,
  })
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await upstream[Symbol.asyncDispose]()
  })
  const introspection: Introspection = {
    issuer,
    send: upstream.send,
    path: '/introspect',
    clientId: 'gateway',
    clientSecret: new Secret('s3cret'),
    previousSecret: null,
    authentication: 'client_secret_basic',
    cacheMs: 60_000,
    negativeCacheMs: 5000,
    timeoutMs,
    signed: false,
    tokenPrefix: '',
    always: false,
    ...members,
  }
  const introspector = createIntrospector({
    introspections: [introspection],
    keys: more.keys ?? { find: () => [], onChange() {} },
    compileGrants: ({ scopes }) => ({
      scopes: new Set(scopes as Scope[]),
      operations: null,
      allowsModel: null,
      allowsAddress: null,
    }),
    isKeyShaped: text => text.startsWith('acme_live_'),
    cacheSize: more.cacheSize ?? 100,
    clock: () => underTest.now,
    onTrouble: (_issuer, trouble) => underTest.told.push(trouble),
  })
  const underTest: UnderTest = {
    introspector,
    asked: [],
    told: [],
    now: NOW,
    answer,
    async ask(token, source = '192.0.2.1') {
      const verdict = await introspector.introspect(token, source)
      if (verdict === null) return 'not mine'
      return verdict instanceof Problem ? `${verdict.code} ${verdict.reason}` : verdict.id
    },
  }
  return underTest
}

/** Answers JSON. */
export function json(body: unknown, status = 200, type = 'application/json'): AnswerQuestion {
  return (_token, res) => {
    res.writeHead(status, { 'content-type': type })
    res.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
}

/** Answers that tokens which begin with `good` are active, and others are not. */
export const honest: AnswerQuestion = (token, ...rest) =>
  json(token.startsWith('good') ? { ...active, sub: token } : { active: false })(token, ...rest)

export const REFUSED = 'auth.invalid_credential'
export const UNTOLD = 'auth.issuer_unavailable'

/** Keys of the issuer, and answers signed with them as RFC 9701 §5 says, but for what a test changes. */
export async function openSigner() {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const keys: IssuerKeys = {
    find: ({ keyId, algorithm }) =>
      (keyId === 'k1' || keyId === null) && algorithm === 'ES256'
        ? [{ thumbprint: '', keyId: 'k1', algorithm, key: publicKey }]
        : [],
    onChange() {},
  }
  const sign = (
    answer: unknown,
    claims: object = {},
    header: Partial<JWTHeaderParameters> = {},
    key: CryptoKey = privateKey,
  ) =>
    new SignJWT({ iss: issuer.issuer, aud: 'gateway', iat: seconds, token_introspection: answer, ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'token-introspection+jwt', kid: 'k1', ...header })
      .sign(key)
  return { keys, sign }
}
