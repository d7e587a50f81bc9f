import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { canonicalAddress } from '#core/canonical-address.ts'
import { methodOverrides, pathOverrides } from '#core/override-headers.ts'
import { plainName } from '#core/plain-name.ts'
import { Problem } from '#core/problems.ts'
import { type Dialect, type KnownProxy, PATHS, SECRET_HEADER } from './known-proxies.ts'

/** What a proxy asks about: the request that it was sent. */
export interface Question {
  /** Name of the proxy. */
  readonly proxy: string
  readonly dialect: Dialect
  readonly method: string
  /** Path and query as the caller sent them. */
  readonly url: string
  /** By which the caller reached the proxy: scheme, host and port. */
  readonly origin: string
  /** Address of the caller. */
  readonly source: string
  /** Whether the proxy may go on to speak another protocol: a WebSocket, by any of its signs. */
  readonly isUpgrade: boolean
  /** Whether that may be another one than a WebSocket. */
  readonly asksForOther: boolean
  /** Those of the caller, with the host that they asked for. */
  readonly headers: IncomingHttpHeaders
}

/** What a dialect says of the request; undefined = it does not, or not once. */
interface Said {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly host: string | undefined
  /** null = the dialect does not say it. */
  readonly scheme: string | undefined | null
}

const readers: Readonly<Record<Dialect, (req: IncomingMessage, once: (name: string) => string | undefined) => Said>> = {
  nginx: (_req, once) => ({
    method: once('x-original-method'),
    url: once('x-original-uri'),
    host: once('host'),
    scheme: null,
  }),
  'forward-auth': ({ url: asked = '' }, once) => ({
    method: once('x-forwarded-method'),
    url: withQuery(once('x-forwarded-uri'), asked),
    host: once('x-forwarded-host'),
    scheme: once('x-forwarded-proto'),
  }),
  envoy: ({ method, url = '' }, once) => ({
    method,
    url: url.slice(PATHS.envoy.length),
    host: once('host'),
    scheme: null,
  }),
}

/** Caddy repeats the caller’s query in its question: then it must be the same. */
function withQuery(url: string | undefined, asked: string): string | undefined {
  const mark = asked.indexOf('?')
  return mark === -1 || url?.slice(url.indexOf('?')) === asked.slice(mark) ? url : undefined
}

const UPGRADES = new Set([
  'upgrade',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
])
/** The one header of ours that callers may send: a key may be in it. */
const KEY_HEADER = 'x-ostiary-key'

/**
 * Reads what a proxy asks about, in its own words. Answers `decide.malformed` for whatever is missing, said twice, contradicted by another
 * header, or not what the configuration says of the proxy.
 */
export function readQuestion(req: IncomingMessage, proxy: KnownProxy): Question | Problem {
  const counts = Map.groupBy(
    req.rawHeaders.filter((_, i) => i % 2 === 0),
    name => name.toLowerCase(),
  )
  const once = (name: string) => {
    const value = req.headers[name]
    return counts.get(name)?.length === 1 && typeof value === 'string' ? value : undefined
  }
  const { method, url, host, scheme } = readers[proxy.dialect](req, once)
  if (method === undefined || !/^[A-Z]{1,32}$/.test(method)) return malformed('method')
  if (url === undefined || !url.startsWith('/')) return malformed('uri')
  if (host === undefined || scheme === undefined) return malformed('host')
  const origin = findOrigin(proxy, host, scheme)
  if (origin === undefined) return malformed('origin')
  const source = lastAddress(req.headers['x-forwarded-for'])
  if (source === null) return malformed('address')
  const wrong = findContradiction(req.headers, { method, url, origin })
  if (wrong !== null) return malformed(wrong)
  const { [SECRET_HEADER]: _secret, ...headers } = req.headers
  const isUpgrade = scheme?.startsWith('ws') || Object.keys(headers).some(name => UPGRADES.has(name))
  const { upgrade, 'http2-settings': settings } = headers
  const asksForOther = settings !== undefined || (upgrade !== undefined && upgrade.trim().toLowerCase() !== 'websocket')
  const { name, dialect } = proxy
  return { proxy: name, dialect, method, url, origin, source, isUpgrade, asksForOther, headers: { ...headers, host } }
}

/** Hosts are compared as parsers of URLs write them: in lower case, without the port that is the scheme’s own. */
function findOrigin({ origins }: KnownProxy, host: string, scheme: string | null): string | undefined {
  return origins.find(origin => {
    const { protocol } = new URL(origin)
    // Traefik says `ws` and `wss` of WebSockets.
    if (scheme !== null && scheme.replace(/^ws/, 'http') !== protocol.slice(0, -1)) return false
    return /^[A-Za-z0-9.:[\]-]+$/.test(host) && URL.parse(`${protocol}//${host}`)?.origin === origin
  })
}

/** The last is who the proxy itself spoke to; what stands before it anybody may have written. */
function lastAddress(header: string | string[] | undefined): string | null {
  const last = String(header ?? '')
    .split(',')
    .at(-1)
  return last === undefined ? null : canonicalAddress(last.trim())
}

function findContradiction(
  headers: IncomingHttpHeaders,
  { method, url, origin }: Pick<Question, 'method' | 'url' | 'origin'>,
): Fault | null {
  for (const name in headers) {
    const plain = plainName(name)
    const value = headers[name]
    if (pathOverrides.has(plain) && value !== url && value !== origin + url) return 'other_target'
    if (methodOverrides.has(plain) && value !== method) return 'other_method'
    if (plain.startsWith('x-ostiary-') && name !== KEY_HEADER && name !== SECRET_HEADER) return 'forged'
  }
  return null
}

/** In a word what is wrong, and how the operator of the proxy is told. */
const faults = {
  method: 'The method that the caller used must be named, once.',
  uri: 'The path and query that the caller asked for must be named, once and as they were sent.',
  host: 'The host and, by forward authentication, the scheme must be named, once.',
  origin: 'The host and scheme must be those of one of the proxy’s `origins`.',
  address: '`X-Forwarded-For` must end in the address of the caller.',
  other_target: 'Another header names another path than the one that is asked about.',
  other_method: 'Another header names another method than the one that is asked about.',
  forged: 'The caller sent a header that only the gateway may set.',
} as const

type Fault = keyof typeof faults

function malformed(fault: Fault): Problem {
  return new Problem('decide.malformed', { detail: faults[fault], reason: fault })
}
