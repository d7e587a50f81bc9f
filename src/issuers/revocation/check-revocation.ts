import { compileAccess } from '#core/compile-access.ts'
import type { TokenFacts, VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { MAX_REVOKED_VALUE, type RevocationKind } from '#core/revocation.ts'
import type { RevocationLookup } from '#store/revocations-port.ts'

/** The issuer's key that a token is signed with. */
export interface SigningKey {
  /** `kid`; null = it has none. */
  readonly keyId: string | null
  /** SHA-256 thumbprint (RFC 7638), base64url. */
  readonly thumbprint: string
}

/**
 * Whether a token that was found to be genuine may be used: its refusal if an entry of the revocation list names it or its
 * project is gone, else who presents it, kept to the addresses of the project. Rejects with `store.unavailable`. To be asked about every token that is
 * not remembered, whatever its kind; what is remembered afterwards must be forgotten as `TokenCache` does.
 */
export type CheckRevocation = (
  identity: VerifiedIdentity,
  signedBy: SigningKey | null,
) => Promise<Problem | VerifiedIdentity>

export function createRevocationCheck(revocations: RevocationLookup): CheckRevocation {
  return async (identity, signedBy) => {
    const { id, token, project, ceilings } = identity
    if (token === null) throw new TypeError(`${id} is not of a token`)
    const { issuer, subject, issuedAt } = token
    const { revoked, projectExists, projectAddresses } = await revocations.judge({
      issuer,
      token: nameable(token.tokenId),
      subject,
      client: nameable(token.client),
      session: nameable(token.session),
      keyId: nameable(signedBy?.keyId ?? null),
      keyThumbprint: signedBy?.thumbprint ?? null,
      issuedAt,
      project,
    })
    if (revoked !== null) return refuse(`token_revoked_${revoked}`, id)
    if (!projectExists) return refuse('token_project', id)
    const allowsAddress = compileAccess(projectAddresses)
    return allowsAddress === null ? identity : Object.freeze({ ...identity, ceilings: { ...ceilings, allowsAddress } })
  }
}

/** All that entries may name a token by. */
export function namesOf(token: TokenFacts, signedBy: SigningKey | null): (readonly [RevocationKind, string])[] {
  const names: (readonly [RevocationKind, string | null])[] = [
    ['token', token.tokenId],
    ['subject', token.subject],
    ['client', token.client],
    ['session', token.session],
    ['key', signedBy?.keyId ?? null],
    ['key', signedBy?.thumbprint ?? null],
  ]
  return names.filter((name): name is readonly [RevocationKind, string] => nameable(name[1]) !== null)
}

/** What no entry can be made for need not be looked for, and PostgreSQL takes no NUL. */
function nameable(value: string | null): string | null {
  return value === null || value.length > MAX_REVOKED_VALUE || value.includes('\0') ? null : value
}

function refuse(reason: string, credential: string): Problem {
  return new Problem('auth.invalid_credential', { reason, credential })
}
