import type { IncomingHttpHeaders } from 'node:http'
import { Problem } from '#core/problems.ts'

/** The headers in which clients of the supported formats carry a key or a token. */
export const CREDENTIAL_HEADERS = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'x-ostiary-key'] as const

const CREDENTIAL_PARAMETERS = new Set(['key', 'api_key', 'api-key', 'apikey', 'access_token', 'token'])

/** A credential as it was presented. */
export interface Credential {
  readonly text: string
  /** Presented with a proof of possession (RFC 9449 §7.1), instead of by bearing it. */
  readonly dpop: boolean
}

/**
 * The one credential of a request; null = none of a kind that is known here.
 * Throws `auth.multiple_credentials` for two different values (RFC 6750 §2; the same value twice is one, some SDKs do
 * that) and for one presented in two ways, `auth.credential_in_query` for one in the query.
 */
export function readCredential(headers: IncomingHttpHeaders, query: string): Credential | null {
  if (query !== '') refuseInQuery(query)
  let found: Credential | null = null
  for (const name of CREDENTIAL_HEADERS) {
    const header = headers[name]
    if (header === undefined) continue
    for (const credential of valuesOf(name, header as string)) {
      if (found !== null && (found.text !== credential.text || found.dpop !== credential.dpop)) {
        throw new Problem('auth.multiple_credentials')
      }
      found = credential
    }
  }
  return found
}

const TOKEN = /^ *(bearer|dpop) +([^ ]+) *$/i
const SCHEME = /^ *(?!(?:bearer|dpop) )[a-z][a-z0-9-]* +[^ ]/i

/** Repeated headers arrive joined by a comma, which no credential contains. */
function valuesOf(name: string, header: string): Credential[] {
  const parts = header.split(',')
  if (name !== 'authorization') {
    return parts
      .map(part => part.trim())
      .filter(part => part !== '')
      .map(text => ({ text, dpop: false }))
  }
  const tokens: Credential[] = []
  for (const part of parts) {
    const token = TOKEN.exec(part)
    if (token !== null) tokens.push({ text: token[2] as string, dpop: (token[1] as string).length === 4 })
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
