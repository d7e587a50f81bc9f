import { plainName } from '#core/plain-name.ts'

/** Prefix of the headers by which the gateway says who calls. */
export const OWN_PREFIX = 'x-ostiary-'

/** Of the hop (RFC 9110 §7.6.1), or a matter of the connection. */
const OF_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

export function isOfHop(name: string): boolean {
  return OF_HOP.has(name)
}

/** Names that `Connection` declares to be of the hop. */
export function namedByConnection(connection: string | string[] | undefined): ReadonlySet<string> {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return NONE
  return new Set(
    String(connection)
      .split(',')
      .map(name => plainName(name.trim())),
  )
}

const NONE: ReadonlySet<string> = new Set()

/** Names of cookies that are the gateway’s own. Of `=a=b` browsers store a cookie without name, and send `a=b` (RFC 6265bis §5.6). */
const OWN_COOKIE = /^[\s=]*(?:__(?:host|secure|http|host-http)-)?ostiary/i

/** Whether a cookie, `name=value`, is the gateway’s own. */
export function isOwnCookie(cookie: string): boolean {
  return OWN_COOKIE.test(cookie)
}
