import { Problem } from '#core/problems.ts'
import { parseServiceTarget, parseTarget } from '#http/paths.ts'

/**
 * Whether `htu` names what a request asks for, whose target is `url`; query and fragment do not count (RFC 9449 §4.3). `origin` =
 * that of another proxy, at which the caller asked; null = the gateway’s own.
 */
export type MatchTarget = (htu: string, url: string, origin: string | null) => boolean

const MAX_LENGTH = 2048
/** Characters of a URI (RFC 3986 §2): what a parser of the web repairs silently, such as a backslash, is none. */
const URI = /^https?:\/\/[A-Za-z0-9\-._~!$&'()*+,;=:@%/?#[\]]+$/i

/**
 * Against the origins that the gateway is configured to have, never `Host`. Scheme, host, default port and dot segments
 * are normalised by the parser of URLs (RFC 3986 §6.2.2, §6.2.3), the path by what decides what a path leads to.
 */
export function createTargetMatch(origins: ReadonlySet<string>): MatchTarget {
  return (htu, url, origin) => {
    if (htu.length > MAX_LENGTH || !URI.test(htu)) return false
    const parsed = URL.parse(htu)
    if (parsed === null || parsed.username !== '' || parsed.password !== '') return false
    if (origin === null ? !origins.has(parsed.origin) : parsed.origin !== origin) return false
    const asked = pathOf(url)
    return asked !== null && asked === pathOf(parsed.pathname)
  }
}

function pathOf(target: string): string | null {
  for (const parse of [parseTarget, parseServiceTarget]) {
    try {
      return parse(target).path
    } catch (error) {
      if (!(error instanceof Problem)) throw error
    }
  }
  return null
}
