import { hash } from 'node:crypto'
import { compactVerify, errors } from 'jose'
import type { Clock } from '#core/clock.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { checkClaims } from './check-claims.ts'
import { checkHeader } from './check-header.ts'
import type { CompileGrants, Issuer } from './issuer.ts'
import type { IssuerKey, IssuerKeys } from './issuer-keys.ts'
import { makeIdentity } from './make-identity.ts'
import { isJwtShaped, MAX_TOKEN_LENGTH, readToken } from './read-token.ts'
import { TokenCache } from './token-cache.ts'

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
  let keyChanges = 0
  keys.onChange((issuer, removed) => {
    keyChanges++
    cache.dropSignedBy(issuer, removed)
  })

  const verify = async (token: string, digest: string, source: string): Promise<VerifiedIdentity | Problem> => {
    const parts = readToken(token)
    if (typeof parts === 'string') return refuse(parts)
    // Not verified yet: it only chooses by whose rules and keys the token is judged.
    const { iss } = parts.claims
    const issuer = typeof iss === 'string' ? issuers.get(iss) : undefined
    if (issuer === undefined) return refuse('token_issuer')
    const header = checkHeader(parts.header, issuer)
    if (typeof header === 'string') return refuse(header)
    const changesBefore = keyChanges
    const candidates = await keys.find({ issuer: issuer.name, source, ...header })
    if (candidates.length === 0) return refuse('token_key')
    const signer = await findSigner(token, candidates)
    if (signer === null) return refuse('token_signature')
    const endsAt = checkClaims(parts.claims, issuer, clock())
    if (typeof endsAt === 'string') return refuse(endsAt)
    const identity = makeIdentity(parts.claims, issuer, compileGrants, endsAt, signer.thumbprint)
    if (typeof identity === 'string') return refuse(identity)
    // A key may have gone while its signature was verified: what it signed is not remembered.
    if (keyChanges === changesBefore) cache.set(digest, identity)
    return identity
  }

  return (credential, source) => {
    if (!isJwtShaped(credential)) return null
    if (credential.length > MAX_TOKEN_LENGTH) return refuse('token_too_long')
    const digest = hash('sha256', credential, 'base64url')
    const known = cache.get(digest)
    if (known === undefined) return verify(credential, digest, source)
    return (known.expiresAt as number) > clock() ? known : refuse('token_expired')
  }
}

async function findSigner(token: string, candidates: readonly IssuerKey[]): Promise<IssuerKey | null> {
  for (const candidate of candidates) {
    try {
      await compactVerify(token, candidate.key, { algorithms: [candidate.algorithm] })
      return candidate
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error
    }
  }
  return null
}

function refuse(reason: string): Problem {
  return new Problem('auth.invalid_credential', { reason })
}
