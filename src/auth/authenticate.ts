import type { IncomingHttpHeaders } from 'node:http'
import type { Principal, VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { readCredential } from './credentials.ts'

/** A verified identity, a refusal, or `null` for a credential that is not this one's to judge. */
type Verdict = VerifiedIdentity | Problem | null

/**
 * One way of authenticating. A refusal is answered, not thrown: a flood of wrong credentials must cost little. Throws
 * `store.unavailable` where it cannot tell.
 */
export type Authenticator = (credential: string) => Verdict | Promise<Verdict>

/** The caller, or the refusal: 401. Throws what `readCredential` does, and `store.unavailable`. */
export type Authenticate = (
  headers: IncomingHttpHeaders,
  query: string,
) => Principal | Problem | Promise<Principal | Problem>

/** The chain: the first authenticator that owns the credential decides. What none owns is refused like a wrong key. */
export function createAuthenticate(chain: readonly Authenticator[]): Authenticate {
  return (headers, query) => {
    const credential = readCredential(headers, query)
    if (credential === null) return missing
    return ask(chain, 0, credential)
  }
}

const missing = new Problem('auth.missing_credential')
const unrecognised = new Problem('auth.invalid_credential', { reason: 'unrecognised' })

/** Asks from one on; answers at once where nobody has to be waited for, as with a key that is known here. */
function ask(chain: readonly Authenticator[], from: number, credential: string): ReturnType<Authenticate> {
  const authenticator = chain[from]
  if (authenticator === undefined) return unrecognised
  const answer = authenticator(credential)
  if (answer instanceof Promise) {
    return answer.then(verdict => (verdict as Principal | Problem | null) ?? ask(chain, from + 1, credential))
  }
  return (answer as Principal | Problem | null) ?? ask(chain, from + 1, credential)
}
