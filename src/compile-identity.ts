import type { Config } from '#config/schema.ts'
import { createIdentityHeaders, type IdentityHeaders } from '#identity/identity-headers.ts'
import { createIdentitySigner } from '#identity/identity-token.ts'
import type { KnownIdentityKeys } from '#identity/known-keys.ts'

/** What services are told of callers; signed as who the configuration says, else as the public listener. */
export function compileIdentity(
  { identity }: Pick<Config, 'identity'>,
  publicUrl: string,
  keys: Pick<KnownIdentityKeys, 'current'>,
): IdentityHeaders {
  const issuer = identity.issuer === undefined ? publicUrl : new URL(identity.issuer).origin
  return createIdentityHeaders(
    createIdentitySigner(keys.current, { issuer, lifetimeSeconds: identity.tokenLifetimeSeconds }),
  )
}
