import type { IncomingHttpHeaders } from 'node:http'
import { methodOverrides, pathOverrides } from '#core/override-headers.ts'
import { plainName } from '#core/plain-name.ts'
import { isOfHop, isOwnCookie, namedByConnection, OWN_PREFIX } from './protected-names.ts'

/** What a caller may not tell a service: who it is, where it comes from, and that it means something else than it says. */
const KEPT_BACK = new Set([
  ...pathOverrides,
  ...methodOverrides,
  // The message's frame, and the name of the server, are ours to write.
  'host',
  'content-length',
  'expect',
  'max-forwards',
  // Proofs of possession are made for the gateway (RFC 9449 §4.3).
  'dpop',
  // Where the call comes from.
  'forwarded',
  'forwarded-for',
  'via',
  'x-real-ip',
  'x-client-ip',
  'x-client-addr',
  'x-cluster-client-ip',
  'x-originating-ip',
  'x-host',
  'x-scheme',
  'x-proxyuser-ip',
  'client-ip',
  'true-client-ip',
  'do-connecting-ip',
  'fastly-client-ip',
  'fly-client-ip',
  'incap-client-ip',
  'x-azure-clientip',
  'x-azure-socketip',
  'x-nf-client-connection-ip',
  'x-sucuri-clientip',
  'x-vercel-ip',
  // Who is calling, as other gateways say it.
  'auth-type',
  'auth-user',
  'client-cert',
  'client-cert-chain',
  'iv-creds',
  'iv-groups',
  'iv-user',
  'oam-remote-user',
  'sm-user',
  'sm-userdn',
  'smuser',
  'ssl-cert',
  'teleport-jwt-assertion',
  'x-amzn-lambda-context',
  'x-amzn-request-context',
  'x-anonymous-consumer',
  'x-arr-clientcert',
  'x-arr-ssl',
  'x-auth-email',
  'x-auth-groups',
  'x-auth-name',
  'x-auth-roles',
  'x-auth-subject',
  'x-auth-user',
  'x-auth-userid',
  'x-auth-username',
  'x-credential-identifier',
  'x-credential-username',
  'x-identity',
  'x-jwt-assertion',
  'x-jwt-payload',
  'x-rh-identity',
  'x-user',
  'x-user-email',
  'x-user-groups',
  'x-user-id',
  'x-user-name',
  'x-user-role',
  'x-user-roles',
  'x-userinfo',
  'x-username',
  // What servers and frameworks believe of the proxy before them.
  'destination',
  'x-sendfile-type',
  // Read as the variable HTTP_PROXY by what runs under CGI.
  'proxy',
  'x-request-id',
])

/** Of `x-client-` only what names a caller: clients themselves send `X-Client-Info`, `-Version` and `-Data`. */
const KEPT_BACK_PREFIXES = [
  OWN_PREFIX,
  'cf-access-',
  'cf-connecting-',
  'cf-pseudo-',
  'impersonate-',
  'oidc-',
  'remote-',
  'shib-',
  'ssl-client-',
  'tailscale-',
  'x-accel-',
  'x-amzn-mtls-',
  'x-amzn-oidc-',
  'x-apigateway-',
  'x-appengine-',
  'x-auth-request-',
  'x-authenticated-',
  'x-authentik-',
  'x-client-cert',
  'x-client-dn',
  'x-client-identity',
  'x-client-principal',
  'x-client-ssl-',
  'x-client-subject',
  'x-client-user',
  'x-client-verif',
  'x-consumer-',
  'x-endpoint-api-',
  'x-envoy-',
  'x-forwarded',
  'x-goog-authenticated-user-',
  'x-goog-iap-',
  'x-invoke-',
  'x-jwt-claim',
  'x-middleware-',
  'x-ms-client-principal',
  'x-ms-token-',
  'x-oidc-',
  'x-original-',
  'x-pomerium-',
  'x-remote-',
  'x-ssl-',
  'x-tls-',
  'x-vercel-forwarded-',
  'x-vercel-proxied-',
  'x-vouch-',
  'x-webauth-',
]

/** What the gateway itself knows of a call. */
export interface CallOrigin {
  /** Request id. */
  readonly id: string
  /** Address of the client. */
  readonly source: string
  /** Where callers reach the service: from the configuration, never from what they sent. */
  readonly proto: string
  readonly host: string
}

/**
 * The headers of a request to a service: the caller’s, less what is of the hop, what is a credential and what is not the
 * caller’s to say; then ours. `withheld` are those of credentials, and what the service is not to be sent. What is added
 * to the result afterwards stands: nothing that a caller sent can take it away.
 */
export function requestHeaders(
  caller: IncomingHttpHeaders,
  withheld: ReadonlySet<string>,
  origin: CallOrigin,
): Record<string, string> {
  const headers: Record<string, string> = {}
  const ofHop = namedByConnection(caller.connection)
  for (const name in caller) {
    const value = caller[name]
    const plain = plainName(name)
    if (value === undefined || isOfHop(plain) || ofHop.has(plain) || isKeptBack(plain) || withheld.has(plain)) {
      continue
    }
    if (plain !== 'cookie') headers[name] = String(value)
    else if (name === 'cookie') setCookies(headers, String(value))
  }
  const { id, source, proto, host } = origin
  const address = source.startsWith('::ffff:') ? source.slice(7) : source
  headers.forwarded = `for=${address.includes(':') ? `"[${address}]"` : address};host="${host}";proto=${proto}`
  headers['x-forwarded-for'] = address
  headers['x-forwarded-host'] = host
  headers['x-forwarded-proto'] = proto
  headers['x-forwarded-port'] = portOf(host, proto)
  headers['x-real-ip'] = address
  headers.via = '1.1 ostiary'
  headers['x-request-id'] = id
  return headers
}

function isKeptBack(plain: string): boolean {
  return KEPT_BACK.has(plain) || KEPT_BACK_PREFIXES.some(prefix => plain.startsWith(prefix))
}

/** The caller’s cookies, less the gateway’s own. */
function setCookies(headers: Record<string, string>, cookies: string): void {
  const kept = cookies.split(';').filter(cookie => !isOwnCookie(cookie))
  if (kept.length > 0) headers.cookie = kept.join(';').trim()
}

function portOf(host: string, proto: string): string {
  return /:(\d+)$/.exec(host)?.[1] ?? (proto === 'https' ? '443' : '80')
}
