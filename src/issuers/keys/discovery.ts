import { isIP } from 'node:net'
import type { JsonObject } from '#http/strict-json.ts'
import { isPrivateAddress } from '#http/upstream.ts'
import { KeysNotHad } from '#issuers/review/finding.ts'
import type { FetchDocument, FetchedDocument } from './fetch-document.ts'
import type { KeySource } from './key-source.ts'

/** What an issuer says of itself. */
export interface IssuerMetadata extends Pick<FetchedDocument, 'date'> {
  /** Where it says so. */
  readonly url: string
  readonly jwksUri: string
  readonly value: JsonObject
}

/**
 * Metadata of an issuer by OpenID Connect Discovery §4 or RFC 8414 §3, whichever it serves. Rejects with `KeysNotHad`: also
 * where the metadata are of another issuer, byte by byte (RFC 8414 §3.3), or name keys where none may be fetched.
 */
export async function discover(
  { issuer, allowPrivateNetwork }: Pick<KeySource, 'issuer' | 'allowPrivateNetwork'>,
  fetchDocument: FetchDocument,
): Promise<IssuerMetadata> {
  const failures: KeysNotHad[] = []
  for (const url of metadataUrls(issuer)) {
    try {
      const { value, date } = await fetchDocument(url, allowPrivateNetwork)
      if (value.issuer !== issuer) throw otherIssuer(url, value.issuer, issuer)
      return { url, value, date, jwksUri: checkJwksUri(value.jwks_uri, issuer, allowPrivateNetwork) }
    } catch (error) {
      if (!(error instanceof KeysNotHad)) throw error
      failures.push(error)
      // Another path of a server that does not answer answers as little.
      if (!mayBeElsewhere(error)) break
    }
  }
  throw failures.find(({ code }) => code !== 'status_404') ?? notFound(issuer)
}

/** In the order in which they are tried; RFC 8414 §3.1 puts its part before the issuer's path. */
export function metadataUrls(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [
    ...new Set([
      `${origin}${path}/.well-known/openid-configuration`,
      `${origin}/.well-known/oauth-authorization-server${path}`,
      `${origin}/.well-known/openid-configuration${path}`,
    ]),
  ]
}

function mayBeElsewhere({ code }: KeysNotHad): boolean {
  return /^status_4/.test(code) || ['not_json', 'redirect', 'issuer_differs'].includes(code)
}

function notFound(issuer: string): KeysNotHad {
  return new KeysNotHad('no_metadata', `${issuer} publishes no metadata. Say with \`jwksUrl\` where its keys are.`)
}

function otherIssuer(url: string, said: unknown, issuer: string): KeysNotHad {
  const shown = JSON.stringify(said ?? null).slice(0, 200)
  return new KeysNotHad('issuer_differs', `${url} is of the issuer ${shown}, not of ${JSON.stringify(issuer)}.`)
}

/**
 * The metadata are not the configuration: what they name is held to more. Plaintext only where the issuer itself is this
 * machine, and a private address only where the configuration says so.
 */
function checkJwksUri(uri: unknown, issuer: string, allowPrivateNetwork: boolean): string {
  const refuse = (why: string) => new KeysNotHad('jwks_uri_refused', `The issuer’s \`jwks_uri\` ${why}.`)
  if (typeof uri !== 'string' || uri.length > 2048 || !URL.canParse(uri)) throw refuse('is missing or no URL')
  const url = new URL(uri)
  const home = new URL(issuer)
  const atHome = isThisMachine(home) && isThisMachine(url)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && atHome)) throw refuse('does not begin with https://')
  if (url.username !== '' || url.password !== '' || uri.includes('#')) throw refuse('has a user name or a fragment')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  // The host of the issuer itself is named by the configuration.
  const isNamed = atHome || url.hostname === home.hostname
  const isPrivate = isThisMachine(url) || (isIP(host) !== 0 && isPrivateAddress(host))
  if (isPrivate && !isNamed && !allowPrivateNetwork) throw refuse('is in a private network')
  return uri
}

function isThisMachine({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
}
