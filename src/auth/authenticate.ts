import type { IncomingHttpHeaders } from 'node:http'
import type { Principal, VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { readCredential } from './credentials.ts'

/**
 * One way of authenticating. Answers a verified identity, `null` for a credential that is not its own, or throws the
 * refusal; `store.unavailable` where it cannot tell.
 */
export type Authenticator = (credential: string) => VerifiedIdentity | null | Promise<VerifiedIdentity | null>

export type Authenticate = (headers: IncomingHttpHeaders, query: string) => Promise<Principal>

/** The chain: the first authenticator that owns the credential decides. What none owns is refused like a wrong key. */
export function createAuthenticate(chain: readonly Authenticator[]): Authenticate {
  return async (headers, query) => {
    const credential = readCredential(headers, query)
    if (credential === null) throw new Problem('auth.missing_credential')
    for (const authenticator of chain) {
      const identity = await authenticator(credential)
      if (identity !== null) return identity as Principal
    }
    throw new Problem('auth.invalid_credential', { reason: 'unrecognised' })
  }
}
