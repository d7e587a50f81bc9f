import { hash } from 'node:crypto'
import type { Authenticator, Verdict } from '#auth/authenticate.ts'
import type { Config } from '#config/schema.ts'
import type { SecretValues } from '#config/secrets.ts'
import type { Clock } from '#core/clock.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { REVOCATION_BOUND_MS } from '#core/revocation.ts'
import { createIntrospector, type Introspector, type OnTrouble } from '#issuers/introspection/introspect.ts'
import type { CompileGrants } from '#issuers/issuer.ts'
import { type CheckRevocation, createRevocationCheck } from '#issuers/revocation/check-revocation.ts'
import { TokenCache } from '#issuers/token-cache.ts'
import { createTokenVerifier } from '#issuers/verify-token.ts'
import { isKeyShaped } from '#keys/format.ts'
import type { VerifyKey } from '#keys/verifier.ts'
import { compileCeilings } from '#policy/compile-ceilings.ts'
import type { ChangeFeed } from '#store/ports.ts'
import type { RevocationLookup } from '#store/revocations-port.ts'
import { compileIntrospections } from './compile-introspections.ts'
import { compileIssuers } from './compile-issuers.ts'
import { compileKeySources } from './compile-key-sources.ts'
import type { IssuerKeyLine } from './issuer-key-line.ts'

/** What of a worker authenticates the calls of every generation. */
export interface Credentials {
  readonly verifyKey: VerifyKey
  readonly issuerKeys: IssuerKeyLine
  readonly revocations: RevocationLookup
  readonly changes: ChangeFeed
  readonly onIntrospection: OnTrouble
  /** Origin of the public listener. */
  readonly publicUrl: string
  readonly clock: Clock
}

/** Tokens first, which are known by their shape; whatever else comes is a key, or nothing. */
export function compileChain(
  config: Config,
  secrets: SecretValues,
  { verifyKey, onIntrospection, revocations, changes, issuerKeys, clock }: Credentials,
  open: AsyncDisposableStack,
): Authenticator[] {
  const issuers = compileIssuers(config)
  if (issuers.length === 0) return [verifyKey]
  const compileGrants: CompileGrants = ({ scopes, models }) =>
    compileCeilings({ scopes, models, operations: null, addresses: [] })
  const { cacheSize } = config.keys
  const keys = open.use(issuerKeys.open(compileKeySources(config)))
  const cache = open.use(new TokenCache({ size: cacheSize, changes, trustMs: REVOCATION_BOUND_MS, clock }))
  keys.onChange((issuer, removed) => cache.forgetKeys(issuer, removed))
  const checkRevocation = createRevocationCheck(revocations)
  const verifyToken = createTokenVerifier({ issuers, keys, compileGrants, cache, checkRevocation, clock })
  const { introspect, confirm } = createIntrospector({
    ...{ keys, clock, compileGrants, cacheSize },
    introspections: compileIntrospections(config, issuers, secrets, open),
    isKeyShaped,
    onTrouble: onIntrospection,
  })
  return [confirmed(verifyToken, confirm), unrevoked(introspect, cache, checkRevocation), verifyKey]
}

/** What an authenticator says, if the second question says so too. */
function confirmed(verify: Authenticator, confirm: Introspector['confirm']): Authenticator {
  const confirmOne = (verdict: VerifiedIdentity, credential: string, source: string) => {
    // What it remembers is of an earlier look at the token: only whether it is confirmed counts, not how it was.
    const settle = (confirmed: VerifiedIdentity | Problem) => (confirmed instanceof Problem ? confirmed : verdict)
    const confirmed = confirm(verdict, credential, source)
    return confirmed instanceof Promise ? confirmed.then(settle) : settle(confirmed)
  }
  return (credential, source) => {
    const take = (verdict: Verdict) =>
      verdict === null || verdict instanceof Problem ? verdict : confirmOne(verdict, credential, source)
    const verdict = verify(credential, source)
    return verdict instanceof Promise ? verdict.then(take) : take(verdict)
  }
}

/** Opaque tokens that their issuer calls active, unless the revocation list names them. */
function unrevoked(introspect: Introspector['introspect'], cache: TokenCache, check: CheckRevocation): Authenticator {
  /** Of what the issuer said each admitted identity was made. */
  const origins = new WeakMap<VerifiedIdentity, VerifiedIdentity>()
  return (credential, source) => {
    const take = (verdict: VerifiedIdentity | Problem) => {
      if (verdict instanceof Problem) return verdict
      const digest = hash('sha256', credential, 'base64url')
      const known = cache.get(digest)
      if (known !== undefined && origins.get(known) === verdict) return known
      return cache.load(digest, async () => {
        const identity = await check(verdict, null)
        if (identity instanceof Problem) return identity
        origins.set(identity, verdict)
        return { identity, signedBy: null }
      })
    }
    const verdict = introspect(credential, source)
    if (verdict === null) return null
    return verdict instanceof Promise ? verdict.then(take) : take(verdict)
  }
}
