import type { IncomingHttpHeaders } from 'node:http'
import type { Principal, VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { readCredential } from './credentials.ts'

/**
 * One way of authenticating. Answers a verified identity, `null` for a credential that is not its own, or throws the
 * refusal; `store.unavailable` where it cannot tell.
 */
export type Authenticator = (credential: string) => VerifiedIdentity | null | Promise<VerifiedIdentity | null>

export type Authenticate = (headers: IncomingHttpHeaders, query: string) => Principal | Promise<Principal>

/** The chain: the first authenticator that owns the credential decides. What none owns is refused like a wrong key. */
export function createAuthenticate(chain: readonly Authenticator[]): Authenticate {
  return (headers, query) => {
    const credential = readCredential(headers, query)
    if (credential === null) throw missing
    return ask(chain, 0, credential)
  }
}

const missing = new Problem('auth.missing_credential')
const unrecognised = new Problem('auth.invalid_credential', { reason: 'unrecognised' })

/** Asks from one on; answers at once where nobody has to be waited for, as with a key that is known here. */
function ask(chain: readonly Authenticator[], from: number, credential: string): Principal | Promise<Principal> {
  const authenticator = chain[from]
  if (authenticator === undefined) throw unrecognised
  const answer = authenticator(credential)
  if (answer instanceof Promise) {
    return answer.then(identity => (identity as Principal | null) ?? ask(chain, from + 1, credential))
  }
  return (answer as Principal | null) ?? ask(chain, from + 1, credential)
}
