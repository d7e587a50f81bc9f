import type { Claims } from './issuer.ts'

/** The value of a claim, by its name or by a JSON Pointer into the claims (RFC 6901); undefined = there is none. */
export function readClaim(claims: Claims, name: string): unknown {
  if (!name.startsWith('/')) return own(claims, name)
  let value: unknown = claims
  for (const part of name.slice(1).split('/')) {
    value = own(value, part.replaceAll('~1', '/').replaceAll('~0', '~'))
  }
  return value
}

/** OpenID Connect Core §2: at most 255 characters of ASCII; none that a log or a header could stumble over. */
const IDENTIFIER = /^[\x20-\x7e]{1,255}$/

/**
 * The identifier in the first of these claims that the token has; null = it has none of them, undefined = that one is no
 * identifier.
 */
export function readIdentifier(claims: Claims, names: readonly string[]): string | null | undefined {
  const value = names.map(name => readClaim(claims, name)).find(found => found !== undefined)
  if (value === undefined) return null
  return typeof value === 'string' && IDENTIFIER.test(value) ? value : undefined
}

/** Claims whose text is a list of words (RFC 8693 §4.2; Okta and Entra ID say `scp`). */
const LISTS_OF_WORDS = new Set(['scope', 'scp'])

/** Whether a claim is this value, or contains it. Booleans and numbers are compared by how JSON writes them. */
export function holds(claims: Claims, name: string, wanted: string): boolean {
  const value = readClaim(claims, name)
  if (Array.isArray(value)) return value.some(element => isValue(element, wanted))
  if (typeof value === 'string' && LISTS_OF_WORDS.has(name)) return value.split(' ').includes(wanted)
  return isValue(value, wanted)
}

/** Whether all of these claims are, or contain, what is wanted of them. */
export function holdsAll(claims: Claims, wanted: ReadonlyMap<string, string>): boolean {
  for (const [name, value] of wanted) if (!holds(claims, name, value)) return false
  return true
}

function isValue(value: unknown, wanted: string): boolean {
  if (typeof value === 'string') return value === wanted
  return (typeof value === 'boolean' || typeof value === 'number') && String(value) === wanted
}

function own(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Record<string, unknown>)[name]
}
