import { hash } from 'node:crypto'
import type { Clock } from '#core/clock.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import type { Problem } from '#core/problems.ts'
import { checkClaims } from './check-claims.ts'
import { checkHeader } from './check-header.ts'
import { findSigner } from './find-signer.ts'
import type { CompileGrants, Issuer } from './issuer.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { makeIdentity } from './make-identity.ts'
import { isJwtShaped, MAX_TOKEN_LENGTH, readToken } from './read-token.ts'
import { TokenCache } from './token-cache.ts'
import { refuseToken, type TokenFault } from './token-faults.ts'

/** Who a JWT is about, the refusal `auth.invalid_credential` with the reason; null = it is none. */
export type VerifyToken = (
  credential: string,
  source: string,
) => VerifiedIdentity | Problem | null | Promise<VerifiedIdentity | Problem>

export interface TokenVerifierOptions {
  readonly issuers: readonly Issuer[]
  readonly keys: IssuerKeys
  readonly compileGrants: CompileGrants
  /** Verified tokens remembered at most. */
  readonly cacheSize: number
  readonly clock: Clock
}

/** Verifies access tokens as RFC 8725 and RFC 9068 say: the issuer first, and all that is asked of a token by that issuer. */
export function createTokenVerifier(options: TokenVerifierOptions): VerifyToken {
  const { keys, compileGrants, clock } = options
  const issuers = new Map(options.issuers.map(issuer => [issuer.issuer, issuer]))
  const cache = new TokenCache(options.cacheSize)

  const judge = async (token: string, source: string): Promise<VerifiedIdentity | TokenFault> => {
    const parts = readToken(token)
    if (typeof parts === 'string') return parts
    const { claims } = parts
    // Not verified yet: it only chooses by whose rules and keys the token is judged.
    const issuer = typeof claims.iss === 'string' ? issuers.get(claims.iss) : undefined
    if (issuer === undefined) return 'token_issuer'
    const header = checkHeader(parts.header, issuer)
    if (typeof header === 'string') return header
    const signer = await findSigner(token, header, { keys, issuer: issuer.name, source })
    if (typeof signer === 'string') return signer
    const otherKind = header.type === 'at+jwt' ? null : issuer.preset.checkKind(claims)
    if (otherKind !== null) return otherKind
    const endsAt = checkClaims(claims, issuer, clock())
    if (typeof endsAt === 'string') return endsAt
    return makeIdentity(claims, issuer, compileGrants, endsAt)
  }

  const verify = async (token: string, digest: string, source: string): Promise<VerifiedIdentity | Problem> => {
    const identity = await judge(token, source)
    if (typeof identity === 'string') return refuseToken(identity)
    cache.set(digest, identity)
    return identity
  }

  return (credential, source) => {
    if (!isJwtShaped(credential)) return null
    if (credential.length > MAX_TOKEN_LENGTH) return refuseToken('token_too_long')
    // Of the whole token: what is remembered by a part of it would answer for another with the same part.
    const digest = hash('sha256', credential, 'base64url')
    const known = cache.get(digest)
    if (known === undefined) return verify(credential, digest, source)
    return (known.expiresAt as number) > clock() ? known : refuseToken('token_expired')
  }
}
