import { Problem } from '#core/problems.ts'

/** A request target, decided once: router, policy and upstream all use these two strings. */
export interface Target {
  /** Canonical path: decoded once, no empty or dot segments, nothing a second decoder could read differently. */
  readonly path: string
  /** Raw query without `?`; empty = none. */
  readonly query: string
}

const PLAIN = /^(?:\/[A-Za-z0-9\-._~!$&'()*+,;=:@]+)+$/
const DOT_SEGMENT = /\/\.{1,2}(?:[/;]|$)/

/**
 * Splits and canonicalises a request target in origin-form (RFC 9112 §3.2.1).
 * Throws `request.invalid_path` for absolute-form, dot segments, empty segments, backslashes, control characters,
 * encoded separators and invalid escapes: what two parsers may read differently is refused, not repaired.
 */
export function parseTarget(url: string): Target {
  const mark = url.indexOf('?')
  const raw = mark === -1 ? url : url.slice(0, mark)
  const query = mark === -1 ? '' : url.slice(mark + 1)
  const path = raw.includes('%') ? decodeOnce(raw) : raw
  if (path !== '/' && (!PLAIN.test(path) || (path.includes('/.') && DOT_SEGMENT.test(path)))) {
    throw new Problem('request.invalid_path')
  }
  return { path, query }
}

function decodeOnce(raw: string): string {
  let path: string
  try {
    path = decodeURIComponent(raw)
  } catch (cause) {
    throw new Problem('request.invalid_path', { cause })
  }
  // An escape that hid a separator, or one more escape, changed the path's structure.
  if (path.includes('%') || count(path, '/') !== count(raw, '/')) throw new Problem('request.invalid_path')
  return path
}

function count(text: string, character: string): number {
  return text.split(character).length
}
