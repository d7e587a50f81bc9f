import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { Provider } from 'oidc-provider'

/** The clients at the identity provider: who calls the gateway, and the gateway itself, which asks about tokens. */
const CALLER = { id: 'batch-job', secret: 'caller-secret-of-32-characters-or-more' }
export const GATEWAY = { id: 'ostiary', secret: 'gateway-secret-of-32-characters-or-more' }

/** What tokens are for. `brief` ones live for two seconds. */
export const RESOURCES = {
  jwt: 'https://api.example.com/jwt',
  briefJwt: 'https://api.example.com/jwt/brief',
  otherJwt: 'https://other.example.com/jwt',
  opaque: 'https://api.example.com/opaque',
  briefOpaque: 'https://api.example.com/opaque/brief',
  otherOpaque: 'https://other.example.com/opaque',
} as const

/** `oidc-provider`, an authorization server that is certified by the OpenID Foundation, on loopback. */
export interface OidcProvider extends AsyncDisposable {
  readonly issuer: string
  /** A token of the grant `client_credentials`; `headers` go with the request. */
  token(resource: keyof typeof RESOURCES, headers?: Record<string, string>): Promise<string>
  /** Has the server revoke a token (RFC 7009). */
  revoke(token: string): Promise<void>
  /** Signs with a new key from now on; the one before is no longer published. */
  rotate(): Promise<void>
}

export async function startOidcProvider(): Promise<OidcProvider> {
  let handle: (req: IncomingMessage, res: ServerResponse) => void = () => {}
  const server = createServer((req, res) => handle(req, res)).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let keys = 0
  const rotate = async () => {
    handle = new Provider(issuer, configure(await makeKey(`key-${++keys}`))).callback()
  }
  await rotate()

  const post = async (path: string, form: Record<string, string>, headers: Record<string, string> = {}) => {
    const basic = Buffer.from(`${CALLER.id}:${CALLER.secret}`).toString('base64')
    const reply = await fetch(issuer + path, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}`, ...headers },
      body: new URLSearchParams(form),
    })
    const text = await reply.text()
    if (!reply.ok) throw new Error(`the identity provider answered ${reply.status}: ${text}`)
    return text === '' ? {} : (JSON.parse(text) as { access_token?: string })
  }
  return {
    issuer,
    async token(resource, headers) {
      const form = { grant_type: 'client_credentials', scope: 'ai.chat', resource: RESOURCES[resource] }
      return (await post('/token', form, headers)).access_token as string
    },
    async revoke(token) {
      await post('/token/revocation', { token })
    },
    rotate,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

async function makeKey(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  return { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' }
}

function configure(key: JWK): object {
  const client = { redirect_uris: [], response_types: [], scope: 'ai.chat' }
  return {
    jwks: { keys: [key] },
    scopes: ['ai.chat'],
    clients: [
      { ...client, client_id: CALLER.id, client_secret: CALLER.secret, grant_types: ['client_credentials'] },
      {
        ...client,
        client_id: GATEWAY.id,
        client_secret: GATEWAY.secret,
        grant_types: [],
        introspection_signed_response_alg: 'RS256',
      },
    ],
    extraTokenClaims: () => ({ tenant: 'acme' }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      jwtIntrospection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx: unknown, resource: string) => ({
          scope: 'ai.chat',
          audience: new URL(resource).origin,
          accessTokenTTL: resource.endsWith('/brief') ? 2 : 600,
          accessTokenFormat: resource.includes('/opaque') ? 'opaque' : 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  }
}
