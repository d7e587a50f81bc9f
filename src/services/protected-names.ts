/** Prefix of the headers by which the gateway says who calls. */
export const OWN_PREFIX = 'x-ostiary-'

/**
 * A header’s name as servers that turn it into a variable read it: CGI, WSGI and PHP make the same of `X-Ostiary-Subject`,
 * `x_ostiary_subject` and `X.Ostiary.Subject`.
 */
export function plainName(name: string): string {
  const lower = name.toLowerCase()
  return /^[a-z0-9-]*$/.test(lower) ? lower : lower.replaceAll(/[^a-z0-9]/g, '-')
}

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

/** Names of cookies that are the gateway’s own. */
const OWN_COOKIE = /^\s*(?:__(?:host|secure|http|host-http)-)?ostiary/i

/** Whether a cookie, `name=value`, is the gateway’s own. */
export function isOwnCookie(cookie: string): boolean {
  return OWN_COOKIE.test(cookie)
}
