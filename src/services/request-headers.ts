import type { IncomingHttpHeaders } from 'node:http'
import { isOfHop, isOwnCookie, namedByConnection, OWN_PREFIX, plainName } from './protected-names.ts'

/** What a caller may not tell a service: who it is, where it comes from, and that it means something else than it says. */
const KEPT_BACK = new Set([
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
  'x-cluster-client-ip',
  'x-remote-ip',
  'x-remote-addr',
  'x-originating-ip',
  'x-original-forwarded-for',
  'x-host',
  'x-scheme',
  'x-proxyuser-ip',
  'client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'cf-connecting-ipv6',
  'cf-pseudo-ipv4',
  'fastly-client-ip',
  'fly-client-ip',
  'x-appengine-user-ip',
  'x-azure-clientip',
  'x-azure-socketip',
  'x-envoy-external-address',
  'x-envoy-internal',
  'x-nf-client-connection-ip',
  // Who is calling, as other gateways say it.
  'remote-user',
  'x-remote-user',
  'x-remote-group',
  'x-authenticated-user',
  'x-authenticated-userid',
  'x-webauth-user',
  'x-user',
  'x-user-id',
  'x-client-cert',
  'ssl-client-cert',
  'client-cert',
  'client-cert-chain',
  // Another path or method than the one that was decided about.
  'x-original-url',
  'x-original-uri',
  'x-original-method',
  'x-rewrite-url',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-middleware-subrequest',
  'destination',
  // Read as the variable HTTP_PROXY by what runs under CGI.
  'proxy',
  'x-request-id',
])

const KEPT_BACK_PREFIXES = [
  OWN_PREFIX,
  'x-forwarded',
  'x-auth-request-',
  'x-goog-iap-',
  'x-goog-authenticated-user-',
  'x-amzn-oidc-',
  'x-ms-client-principal',
  'x-remote-extra-',
  'x-pomerium-',
  'x-ssl-client-',
  'ssl-client-',
  'cf-access-',
  'tailscale-user-',
  'impersonate-',
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
 * caller’s to say; then ours. `credentialHeaders` are those of credentials. What is added
 * to the result afterwards stands: nothing that a caller sent can take it away.
 */
export function requestHeaders(
  caller: IncomingHttpHeaders,
  credentialHeaders: ReadonlySet<string>,
  origin: CallOrigin,
): Record<string, string> {
  const headers: Record<string, string> = {}
  const ofHop = namedByConnection(caller.connection)
  for (const name in caller) {
    const value = caller[name]
    const plain = plainName(name)
    if (
      value === undefined ||
      isOfHop(plain) ||
      ofHop.has(plain) ||
      isKeptBack(plain) ||
      credentialHeaders.has(plain)
    ) {
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
