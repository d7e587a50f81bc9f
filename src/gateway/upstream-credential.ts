import { readCredential } from '#auth/credentials.ts'
import { Problem } from '#core/problems.ts'
import { Secret } from '#core/secret.ts'
import type { ModelTarget } from '#providers/catalog.ts'
import type { Call } from './call.ts'

/** What a call is authenticated by at its provider: the operator’s credential, or the caller’s own token. Throws `policy.caller_token`. */
export function upstreamCredential(call: Call, { provider }: ModelTarget): Secret | null {
  const issuer = provider.callerTokenOf ?? null
  return issuer === null ? provider.credential : callerToken(call, issuer)
}

/**
 * The caller’s own access token, of this issuer. Throws `policy.caller_token` where there is none that may be passed on: a
 * proof of possession is made for the gateway, and bare, a bound token is worth nothing.
 */
export function callerToken({ req, principal }: Call, issuer: string): Secret {
  const token = readCredential(req.headers, '')
  // Another issuer's token would be a gift to whoever runs that server.
  if (token === null || principal?.token?.issuer !== issuer || principal.binding !== null) {
    throw new Problem('policy.caller_token')
  }
  return new Secret(token.text)
}
