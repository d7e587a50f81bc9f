import type { VerifiedIdentity } from '#core/principal.ts'
import { encodeHeaderList, encodeHeaderValue } from './header-value.ts'
import type { IdentityTokenUse, SignIdentity } from './identity-token.ts'

/** Names and values of what a service is told of its caller, to be added after everything else. */
export type IdentityHeaders = (identity: VerifiedIdentity, use: IdentityTokenUse) => string[]

/** The plain ones are for reading; what is signed is exact, and good for this service and a minute only. */
export function createIdentityHeaders(signIdentity: SignIdentity): IdentityHeaders {
  return (identity, use) => {
    const { kind, id, roles, project, environment, ceilings } = identity
    const headers = [
      'x-ostiary-subject',
      encodeHeaderValue(id),
      'x-ostiary-subject-type',
      kind,
      'x-ostiary-roles',
      encodeHeaderList(roles),
      'x-ostiary-project',
      encodeHeaderValue(project),
      'x-ostiary-environment',
      environment,
      'x-ostiary-identity',
      signIdentity(identity, use),
    ]
    if (ceilings.scopes !== null) headers.push('x-ostiary-scopes', encodeHeaderList([...ceilings.scopes]))
    return headers
  }
}
