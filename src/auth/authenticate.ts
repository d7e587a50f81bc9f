import type { IncomingMessage } from 'node:http'
import type { Principal, VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { type Credential, readCredential } from './credentials.ts'

/** A verified identity, a refusal, or `null` for a credential that is not this one's to judge. */
export type Verdict = VerifiedIdentity | Problem | null

/**
 * One way of authenticating. A refusal is answered, not thrown: a flood of wrong credentials must cost little. Throws
 * `store.unavailable` where it cannot tell. `source` is the address of the client.
 */
export type Authenticator = (credential: string, source: string) => Verdict | Promise<Verdict>

/**
 * Whether the sender of a request proves what the credential is bound to, or presents no proof where none is asked for.
 * Answers the refusal; null = they do.
 */
export type CheckSender = (
  identity: VerifiedIdentity,
  credential: Credential,
  req: IncomingMessage,
  notes: SenderNotes,
) => Problem | null | Promise<Problem | null>

/** What is known of the sender, and what the check of them leaves for the answer, whichever that will be. */
export interface SenderNotes {
  /** Address of the client. */
  readonly source: string
  /** Nonce that the caller's proofs are to contain from now on (RFC 9449 §8.2); null = the one they have, or none. */
  dpopNonce: string | null
  /** By which the caller reached another proxy, which asks about them; null = they reached the gateway itself. */
  readonly origin: string | null
  /** Binding that the sender has proven already, which is not asked for again; absent = none. */
  readonly proven?: VerifiedIdentity['binding']
}

/** The caller, or the refusal: 401. Throws what `readCredential` does, and `store.unavailable`. */
export type Authenticate = (
  req: IncomingMessage,
  query: string,
  notes: SenderNotes,
) => Principal | Problem | Promise<Principal | Problem>

interface AuthenticateOptions {
  /** The first authenticator that owns the credential decides. What none owns is refused like a wrong key. */
  readonly chain: readonly Authenticator[]
  readonly checkSender: CheckSender
  /** Whether they are known well enough, once it is sure that they are who they say; null = they are. */
  readonly checkAuthentication: (identity: VerifiedIdentity) => Problem | null
}

/** Answers at once where nobody has to be waited for, as with a key that is known here. */
export function createAuthenticate({ chain, checkSender, checkAuthentication }: AuthenticateOptions): Authenticate {
  const ask = (
    from: number,
    credential: Credential,
    req: IncomingMessage,
    notes: SenderNotes,
  ): ReturnType<Authenticate> => {
    const authenticator = chain[from]
    if (authenticator === undefined) return unrecognised
    const take = (verdict: Verdict) => {
      if (verdict === null) return ask(from + 1, credential, req, notes)
      return verdict instanceof Problem ? verdict : prove(verdict, credential, req, notes)
    }
    const answer = authenticator(credential.text, notes.source)
    return answer instanceof Promise ? answer.then(take) : take(answer)
  }
  const prove = (identity: VerifiedIdentity, credential: Credential, req: IncomingMessage, notes: SenderNotes) => {
    const accept = (refusal: Problem | null) => refusal ?? checkAuthentication(identity) ?? (identity as Principal)
    if (identity.binding === null && !credential.dpop) return accept(null)
    if (isProven(identity.binding, notes)) return accept(null)
    const refusal = checkSender(identity, credential, req, notes)
    return refusal instanceof Promise ? refusal.then(accept) : accept(refusal)
  }
  return (req, query, notes) => {
    const credential = readCredential(req.headers, query)
    return credential === null ? missing : ask(0, credential, req, notes)
  }
}

function isProven(binding: VerifiedIdentity['binding'], { proven }: SenderNotes): boolean {
  return proven != null && proven.kind === binding?.kind && proven.thumbprint === binding.thumbprint
}

const missing = new Problem('auth.missing_credential')
const unrecognised = new Problem('auth.invalid_credential', { reason: 'unrecognised' })
