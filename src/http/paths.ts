import { Problem } from '#core/problems.ts'

/** A request target, decided once: router, policy and upstream all use these two strings. */
export interface Target {
  /** Canonical path: decoded once, no empty or dot segments, nothing a second decoder could read differently. */
  readonly path: string
  /** Raw query without `?`; empty = none. */
  readonly query: string
}

const PLAIN = /^(?:\/[A-Za-z0-9\-._~!$&'()*+,;=:@]+)+$/
// What Windows and servers written for it leave off is refused with the dot segments.
const FINAL_DOT = /\.(?:[/;]|$)/

/**
 * Splits and canonicalises a request target in origin-form (RFC 9112 §3.2.1).
 * Throws `request.invalid_path` for absolute-form, dot segments, empty segments, backslashes, control characters,
 * encoded separators, invalid escapes and segments that end in a dot: what two parsers may read differently is refused,
 * not repaired.
 */
export function parseTarget(url: string): Target {
  const mark = url.indexOf('?')
  const raw = mark === -1 ? url : url.slice(0, mark)
  const query = mark === -1 ? '' : url.slice(mark + 1)
  const path = raw.includes('%') ? decodeOnce(raw) : raw
  if (path !== '/' && (!PLAIN.test(path) || (path.includes('.') && FINAL_DOT.test(path)))) {
    throw new Problem('request.invalid_path')
  }
  return { path, query }
}

/** What a URI may hold without an escape (RFC 3986 §3.3), less `;`. */
const RAW = /^\/[A-Za-z0-9\-._~!$&'()*+,=:@%/]*$/
const SIMPLE = /^\/[A-Za-z0-9\-._~!$&'()*+,=:@/]*$/
// Path parameters, which some servers cut off; what an upstream might take for another path or for its end; what nobody sees.
const AMBIGUOUS = /[;?#\\\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u
const EMPTY_SEGMENT = /\/\//
// Dot segments among them, and what is left off as those are; spaces others trim at both ends.
const TRIMMED = /\/\p{Z}|[.\p{Z}](?:\/|$)/u
const STRUCTURE = /[/\\.%?#;]/g
const QUERY = /^[\x21\x22\x24-\x7e]*$/

/**
 * As `parseTarget`, for servers of any kind: segments may hold spaces, UTF-8 and what else was escaped, and a slash may end
 * the path. Throws `request.invalid_path` for more than that: path parameters (`;`), text that is not in Unicode
 * normalization form C, invisible characters, those that a compatibility normalization turns into a separator or dot, and
 * segments that end in a dot or begin or end with a space.
 */
export function parseServiceTarget(url: string): Target {
  const mark = url.indexOf('?')
  const raw = mark === -1 ? url : url.slice(0, mark)
  const query = mark === -1 ? '' : url.slice(mark + 1)
  if (!RAW.test(raw) || !QUERY.test(query)) throw new Problem('request.invalid_path')
  const path = raw.includes('%') ? decodeOnce(raw) : raw
  if (EMPTY_SEGMENT.test(path) || TRIMMED.test(path)) {
    throw new Problem('request.invalid_path')
  }
  if (!SIMPLE.test(path) && (AMBIGUOUS.test(path) || !isStable(path))) throw new Problem('request.invalid_path')
  return { path, query }
}

/** The one way in which a canonical path is written. */
export function encodePath(path: string): string {
  return encodeURI(path)
}

/** Whatever normalization an upstream applies, the path keeps its structure. */
function isStable(path: string): boolean {
  if (path.normalize('NFC') !== path) return false
  const structure = (text: string) => text.match(STRUCTURE)?.join('')
  return structure(path.normalize('NFKC')) === structure(path)
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
