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

/** A claim that is a text and not empty; null = it is none. */
export function readText(claims: Claims, name: string): string | null {
  const value = readClaim(claims, name)
  return typeof value === 'string' && value !== '' ? value : null
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

function isValue(value: unknown, wanted: string): boolean {
  if (typeof value === 'string') return value === wanted
  return (typeof value === 'boolean' || typeof value === 'number') && String(value) === wanted
}

function own(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Record<string, unknown>)[name]
}
