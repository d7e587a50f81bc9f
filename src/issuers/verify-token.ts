import { hash } from 'node:crypto'
import type { Clock } from '#core/clock.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { checkClaims } from './check-claims.ts'
import { checkHeader } from './check-header.ts'
import { findSigner } from './find-signer.ts'
import type { CompileGrants, Issuer } from './issuer.ts'
import type { IssuerKeys } from './keys/issuer-keys.ts'
import { makeIdentity } from './make-identity.ts'
import { isJwtShaped, MAX_TOKEN_LENGTH, readToken } from './read-token.ts'
import type { CheckRevocation } from './revocation/check-revocation.ts'
import type { TokenCache, VerifiedToken } from './token-cache.ts'
import { refuseToken, type TokenFault } from './token-faults.ts'

/** Who a JWT is about, the refusal `auth.invalid_credential` with the reason; null = it is none. */
export type VerifyToken = (
  credential: string,
  source: string,
) => VerifiedIdentity | Problem | null | Promise<VerifiedIdentity | Problem>

export interface TokenVerifierOptions {
  readonly issuers: readonly Issuer[]
  readonly keys: Pick<IssuerKeys, 'find'>
  readonly compileGrants: CompileGrants
  readonly cache: TokenCache
  readonly checkRevocation: CheckRevocation
  readonly clock: Clock
}

/** Verifies access tokens as RFC 8725 and RFC 9068 say: the issuer first, and all that is asked of a token by that issuer. */
export function createTokenVerifier(options: TokenVerifierOptions): VerifyToken {
  const { keys, compileGrants, cache, checkRevocation, clock } = options
  const issuers = new Map(options.issuers.map(issuer => [issuer.issuer, issuer]))

  const judge = async (token: string, source: string): Promise<VerifiedToken | TokenFault> => {
    const parts = readToken(token)
    if (typeof parts === 'string') return parts
    const { claims } = parts
    // Not verified yet: it only chooses by whose rules and keys the token is judged.
    const issuer = typeof claims.iss === 'string' ? issuers.get(claims.iss) : undefined
    if (issuer === undefined) return 'token_issuer'
    const header = checkHeader(parts.header, issuer)
    if (typeof header === 'string') return header
    const signedBy = await findSigner(token, header, { keys, issuer: issuer.name, source })
    if (typeof signedBy === 'string') return signedBy
    const otherKind = header.type === 'at+jwt' ? null : issuer.preset.checkKind(claims)
    if (otherKind !== null) return otherKind
    // Its age bounds its life, and tells whether an entry of the revocation list is meant for it.
    if (claims.iat === undefined) return 'token_no_issue_time'
    const endsAt = checkClaims(claims, issuer, clock())
    if (typeof endsAt === 'string') return endsAt
    const identity = makeIdentity(claims, issuer, compileGrants, endsAt)
    return typeof identity === 'string' ? identity : { identity, signedBy }
  }

  const verify = async (token: string, source: string): Promise<VerifiedToken | Problem> => {
    const verified = await judge(token, source)
    if (typeof verified === 'string') return refuseToken(verified)
    const identity = await checkRevocation(verified.identity, verified.signedBy)
    return identity instanceof Problem ? identity : { identity, signedBy: verified.signedBy }
  }

  return (credential, source) => {
    if (!isJwtShaped(credential)) return null
    if (credential.length > MAX_TOKEN_LENGTH) return refuseToken('token_too_long')
    // Of the whole token: what is remembered by a part of it would answer for another with the same part.
    const digest = hash('sha256', credential, 'base64url')
    return cache.get(digest) ?? cache.load(digest, () => verify(credential, source))
  }
}
