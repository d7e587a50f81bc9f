import type { Authenticator, Verdict } from '#auth/authenticate.ts'
import type { Config } from '#config/schema.ts'
import type { SecretValues } from '#config/secrets.ts'
import { Problem } from '#core/problems.ts'
import { createIntrospector, type Introspector, type OnTrouble } from '#issuers/introspect.ts'
import type { CompileGrants } from '#issuers/issuer.ts'
import { requireAuthentication } from '#issuers/require-authentication.ts'
import { createTokenVerifier, type TokenVerifierOptions } from '#issuers/verify-token.ts'
import { isKeyShaped } from '#keys/format.ts'
import type { VerifyKey } from '#keys/verifier.ts'
import { compileCeilings } from '#policy/compile-ceilings.ts'
import { compileIntrospections } from './compile-introspections.ts'
import { compileIssuers, compileRequirements } from './compile-issuers.ts'

/** What of a worker authenticates the calls of every generation. */
export interface Credentials extends Pick<TokenVerifierOptions, 'keys' | 'clock'> {
  readonly verifyKey: VerifyKey
  readonly onIntrospection: OnTrouble
  /** Origin of the public listener. */
  readonly publicUrl: string
}

/** Tokens first, which are known by their shape; whatever else comes is a key, or nothing. */
export function compileChain(
  config: Config,
  secrets: SecretValues,
  { verifyKey, onIntrospection, keys, clock }: Credentials,
  open: AsyncDisposableStack,
): Authenticator[] {
  const issuers = compileIssuers(config)
  if (issuers.length === 0) return [verifyKey]
  const compileGrants: CompileGrants = ({ scopes, models }) =>
    compileCeilings({ scopes, models, operations: null, cidrs: null })
  const shared = { keys, clock, compileGrants, cacheSize: config.keys.cacheSize }
  const verifyToken = createTokenVerifier({ ...shared, issuers })
  const { introspect, confirm } = createIntrospector({
    ...shared,
    introspections: compileIntrospections(config, issuers, secrets, open),
    isKeyShaped,
    onTrouble: onIntrospection,
  })
  const requirements = compileRequirements(config)
  return [
    requireAuthentication(confirmed(verifyToken, confirm), requirements, clock),
    requireAuthentication(introspect, requirements, clock),
    verifyKey,
  ]
}

/** What an authenticator says, if the second question says so too. */
function confirmed(verify: Authenticator, confirm: Introspector['confirm']): Authenticator {
  return (credential, source) => {
    const take = (verdict: Verdict) =>
      verdict === null || verdict instanceof Problem ? verdict : confirm(verdict, credential, source)
    const verdict = verify(credential, source)
    return verdict instanceof Promise ? verdict.then(take) : take(verdict)
  }
}
