import type { IncomingHttpHeaders } from 'node:http'
import { Problem } from '#core/problems.ts'

/** The headers in which clients of the supported formats carry a key. */
export const CREDENTIAL_HEADERS = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'x-ostiary-key'] as const

const CREDENTIAL_PARAMETERS = new Set(['key', 'api_key', 'api-key', 'apikey', 'access_token', 'token'])

/**
 * The one credential of a request; null = none of a kind that is known here.
 * Throws `auth.multiple_credentials` for two different values (RFC 6750 §2; the same value twice is one, some SDKs do
 * that), `auth.credential_in_query` for one in the query.
 */
export function readCredential(headers: IncomingHttpHeaders, query: string): string | null {
  if (query !== '') refuseInQuery(query)
  let found: string | null = null
  for (const name of CREDENTIAL_HEADERS) {
    const header = headers[name]
    if (header === undefined) continue
    for (const credential of valuesOf(name, header as string)) {
      if (found !== null && found !== credential) throw new Problem('auth.multiple_credentials')
      found = credential
    }
  }
  return found
}

const BEARER = /^ *bearer +([^ ]+) *$/i
const SCHEME = /^ *(?!bearer )[a-z][a-z0-9-]* +[^ ]/i

/** Repeated headers arrive joined by a comma, which no credential contains. */
function valuesOf(name: string, header: string): string[] {
  const parts = header.split(',')
  if (name !== 'authorization') return parts.map(part => part.trim()).filter(part => part !== '')
  const tokens: string[] = []
  for (const part of parts) {
    const token = BEARER.exec(part)?.[1]
    if (token !== undefined) tokens.push(token)
    // Credentials of another scheme are not ours to judge; a part without a scheme belongs to the one before it.
    else if (!SCHEME.test(part)) return []
  }
  return tokens
}

function refuseInQuery(query: string): void {
  for (const name of new URLSearchParams(query).keys()) {
    if (CREDENTIAL_PARAMETERS.has(name.toLowerCase())) throw new Problem('auth.credential_in_query')
  }
}
