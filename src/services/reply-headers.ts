import type { ReplyHeaders } from '#core/exchange.ts'
import { originHeaders } from '#core/origin-headers.ts'
import { plainName } from '#core/plain-name.ts'
import { isOfHop, isOwnCookie, namedByConnection, OWN_PREFIX } from './protected-names.ts'

/** What a service may not say on the gateway’s origin, for all that are behind it; and what is the gateway’s to say. */
const KEPT_BACK = new Set([...originHeaders, 'dpop-nonce', 'x-request-id'])

const REFERENCES = new Set(['location', 'content-location'])

/**
 * Names and values of the headers of a service’s answer that callers get, less those of `ours`, which is appended to them.
 * `toPublic` says where callers find what the service refers to.
 */
export function serviceReplyHeaders(
  reply: ReplyHeaders,
  ours: readonly string[],
  toPublic: (reference: string) => string,
): string[] {
  const headers: string[] = []
  const ofHop = namedByConnection(reply.connection)
  for (const name in reply) {
    const value = reply[name]
    const plain = plainName(name)
    if (value === undefined || isOfHop(plain) || ofHop.has(plain) || isKeptBack(plain, ours)) continue
    for (const item of typeof value === 'string' ? [value] : value) {
      if (plain === 'set-cookie' && isOwnCookie(item)) continue
      headers.push(name, REFERENCES.has(plain) ? toPublic(item) : item)
    }
  }
  headers.push(...ours)
  return headers
}

function isKeptBack(plain: string, ours: readonly string[]): boolean {
  if (KEPT_BACK.has(plain) || plain.startsWith(OWN_PREFIX)) return true
  for (let i = 0; i < ours.length; i += 2) if (ours[i] === plain) return true
  return false
}
