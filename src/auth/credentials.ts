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
    // Repeated headers arrive joined by a comma, which no credential contains.
    for (const value of (header as string).split(',')) {
      const credential = name === 'authorization' ? bearerOf(value) : value.trim()
      if (credential === null || credential === '') continue
      if (found !== null && found !== credential) throw new Problem('auth.multiple_credentials')
      found = credential
    }
  }
  return found
}

const BEARER = /^ *bearer +([^ ]+) *$/i

/** Credentials of another scheme are not ours to judge. */
function bearerOf(value: string): string | null {
  return BEARER.exec(value)?.[1] ?? null
}

function refuseInQuery(query: string): void {
  for (const name of new URLSearchParams(query).keys()) {
    if (CREDENTIAL_PARAMETERS.has(name.toLowerCase())) throw new Problem('auth.credential_in_query')
  }
}
