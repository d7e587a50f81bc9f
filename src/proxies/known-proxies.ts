import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '#core/clock.ts'
import type { Secret } from '#core/secret.ts'
import { peerOf } from '#http/peer.ts'

/** In which words a proxy asks: those of nginx’s `auth_request`, of Traefik’s and Caddy’s forward authentication, or of Envoy’s `ext_authz` over HTTP. */
export type Dialect = 'nginx' | 'forward-auth' | 'envoy'

/** A proxy that may ask for decisions. */
export interface KnownProxy {
  readonly name: string
  readonly dialect: Dialect
  /** Whether the peer of a connection may be this proxy. */
  readonly allowsAddress: (address: string) => boolean
  readonly secret: Secret
  /** The secret before it, while a rotation lasts: until when, in ms since the epoch. */
  readonly previous: { readonly secret: Secret; readonly until: number } | null
  /** Origins by which callers reach it. */
  readonly origins: readonly string[]
}

/** What of a question is none of a known proxy’s: no proxy asks in this way, or not from there, or it has another secret. For events only. */
export type NoProxy = 'proxy_dialect' | 'proxy_address' | 'proxy_secret'

/** The proxy that a request comes from, or why it comes from none; null = its path is not that of a question, or nobody may ask. */
export type FindProxy = (req: IncomingMessage) => KnownProxy | NoProxy | null

/** The header in which a proxy proves who it is. */
export const SECRET_HEADER = 'x-ostiary-proxy-secret'
export const PATHS: Readonly<Record<Dialect, string>> = {
  nginx: '/decide/nginx',
  'forward-auth': '/decide/forward-auth',
  envoy: '/decide/envoy',
}

export function createProxyFinder(proxies: readonly KnownProxy[], clock: Clock): FindProxy {
  if (proxies.length === 0) return () => null
  const known = proxies.map(proxy => ({
    proxy,
    digest: digestOf(proxy.secret.reveal()),
    previous: proxy.previous && { digest: digestOf(proxy.previous.secret.reveal()), until: proxy.previous.until },
  }))
  return ({ url = '', headers, socket }) => {
    if (!url.startsWith('/decide/')) return null
    const inDialect = known.filter(({ proxy }) => isAt(url, proxy.dialect))
    if (inDialect.length === 0) return 'proxy_dialect'
    const address = peerOf(socket)
    const fromThere = inDialect.filter(({ proxy }) => proxy.allowsAddress(address))
    if (fromThere.length === 0) return 'proxy_address'
    const sent = headers[SECRET_HEADER]
    if (typeof sent !== 'string') return 'proxy_secret'
    // Digests, because they are of one length: the comparison tells nothing of the secret’s.
    const digest = digestOf(sent)
    const now = clock()
    const found = fromThere.find(
      ({ digest: current, previous }) =>
        timingSafeEqual(digest, current) ||
        (previous !== null && now < previous.until && timingSafeEqual(digest, previous.digest)),
    )
    return found?.proxy ?? 'proxy_secret'
  }
}

/** Envoy puts the path that it asks about behind its own, Caddy the query. */
function isAt(url: string, dialect: Dialect): boolean {
  if (dialect === 'envoy') return url.startsWith(`${PATHS.envoy}/`)
  return url === PATHS[dialect] || (dialect === 'forward-auth' && url.startsWith(`${PATHS[dialect]}?`))
}

function digestOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer')
}
