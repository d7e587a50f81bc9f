import { createServer } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'

/** The people of the company. Whoever knows the password is let in: this is an example of what stands behind it. */
const people: Readonly<Record<string, { readonly password: string; readonly groups: readonly string[] }>> = {
  vera: { password: 'vera-likes-films', groups: ['viewers'] },
  edgar: { password: 'edgar-cuts-films', groups: ['editors'] },
  ada: { password: 'ada-runs-this', groups: ['admins'] },
  nobody: { password: 'nobody-has-groups', groups: [] },
}

const CATALOG = 'https://api.example.com/catalog'
export const APP = { id: 'streaming-app', redirectUri: 'http://127.0.0.1:9430/callback' }

/** The company's identity provider on loopback: OpenID Connect with code and PKCE, access tokens that are JWTs. */
export async function startCompanyIdp(port = 9410): Promise<{ readonly issuer: string } & AsyncDisposable> {
  const server = createServer().listen(port, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const key = { ...(await exportJWK(privateKey)), kid: 'company-1', alg: 'RS256', use: 'sig' }
  const provider = new Provider(issuer, {
    jwks: { keys: [key] },
    ttl: { Interaction: 600, Grant: 3600, Session: 3600, AccessToken: 600, IdToken: 600, AuthorizationCode: 60 },
    clients: [
      {
        client_id: APP.id,
        redirect_uris: [APP.redirectUri],
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => CATALOG,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: 'catalog', audience: CATALOG, accessTokenFormat: 'jwt' }),
      },
    },
    findAccount: (_ctx: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
    extraTokenClaims: (_ctx: unknown, token: { accountId?: string }) => ({
      groups: people[token.accountId ?? '']?.groups ?? [],
    }),
    interactions: { url: (_ctx: unknown, interaction: { uid: string }) => `/login/${interaction.uid}` },
    cookies: { keys: ['an example has no secrets'] },
  })
  server.on('request', (req, res) => {
    if (req.url?.startsWith('/login/') !== true) return provider.callback()(req, res)
    logIn(provider, req, res).catch(() => res.writeHead(400).end())
  })
  return {
    issuer,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

type Request = Parameters<Parameters<typeof createServer>[1] & object>[0]
type Response = Parameters<Parameters<typeof createServer>[1] & object>[1]

/** The form's answer: name and password. Who is known has consented by using the company's own app. */
async function logIn(provider: Provider, req: Request, res: Response): Promise<void> {
  const { params } = await provider.interactionDetails(req, res)
  if (req.method === 'GET') {
    res.writeHead(200, { 'content-type': 'text/html' })
    res.end(
      '<form method="post"><input name="name"><input name="password" type="password"><button>Log in</button></form>',
    )
    return
  }
  let form = ''
  for await (const chunk of req) form += chunk
  const { name = '', password = '' } = Object.fromEntries(new URLSearchParams(form))
  if (people[name]?.password !== password) {
    res.writeHead(401).end('wrong name or password')
    return
  }
  const grant = new provider.Grant({ accountId: name, clientId: params.client_id as string })
  grant.addOIDCScope('openid')
  grant.addResourceScope(CATALOG, 'catalog')
  const result = { login: { accountId: name }, consent: { grantId: await grant.save() } }
  await provider.interactionFinished(req, res, result)
}
