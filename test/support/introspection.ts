import type { ServerResponse } from 'node:http'
import { type Provider, type Received, sendJson, startProvider } from './provider.ts'

export const ISSUER = 'https://id.example.com'
const AUDIENCE = 'https://api.example.com'
const CLIENT = { id: 'gate way', secret: 'pass:word&more' }

/** What an issuer says of a good token. */
export function activeClaims(members: object = {}): object {
  const now = Math.floor(Date.now() / 1000)
  return {
    active: true,
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'alice',
    client_id: 'app',
    scope: 'ai.chat profile',
    token_type: 'Bearer',
    iat: now - 10,
    exp: now + 600,
    ...members,
  }
}

/** A scripted introspection endpoint: what it was asked, and tokens it knows. */
export interface Endpoint extends AsyncDisposable {
  readonly server: Provider
  readonly url: string
  /** Answers for tokens by their text; others are not active. */
  readonly tokens: Map<string, object>
  /** In place of all that; null = as `tokens` say. */
  answer: ((token: string, res: ServerResponse, request: Received) => void) | null
  /** The tokens that it was asked about, in order. */
  asked(): string[]
}

export async function startEndpoint(): Promise<Endpoint> {
  const tokens = new Map<string, object>()
  const server = await startProvider((request, res) => {
    const token = tokenOf(request)
    if (endpoint.answer !== null) return endpoint.answer(token, res, request)
    sendJson(res, 200, tokens.get(token) ?? { active: false })
  })
  const endpoint: Endpoint = {
    server,
    url: `${server.url}/introspect`,
    tokens,
    answer: null,
    asked: () => server.requests.map(tokenOf),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
  return endpoint
}

function tokenOf({ body }: Received): string {
  return new URLSearchParams(body.toString()).get('token') ?? ''
}

/** A configuration of one issuer that is asked at `url`; `members` go into its introspection. Its keys are nowhere unless said. */
export function introspectionYaml(url: string, members = '', jwksUrl = 'http://127.0.0.1:1/keys'): string {
  return `
issuers:
  company:
    issuer: ${ISSUER}
    jwksUrl: ${jwksUrl}
    audience: [${AUDIENCE}]
    environment: test
    grants:
      - { when: { scope: ai.chat }, scopes: ['chat:create'], roles: [developer] }
    introspection: { url: '${url}', clientId: '${CLIENT.id}', clientSecret: env:INTROSPECTION, ${members} }
`
}

export const INTROSPECTION_ENV = { INTROSPECTION: CLIENT.secret }
