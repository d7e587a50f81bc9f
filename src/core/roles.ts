/** The roles that the shipped policies are about. */
export const shippedRoles = ['viewer', 'developer', 'admin', 'owner', 'auditor'] as const

/** What a configuration says of roles; members may be missing where it is being checked. */
interface RoleSources {
  readonly policies?: { readonly roles?: readonly string[] | undefined } | undefined
  readonly issuers?:
    | Readonly<Record<string, { readonly grants?: readonly GrantsRoles[] | undefined } | undefined>>
    | undefined
}

interface GrantsRoles {
  readonly roles?: readonly string[] | undefined
}

/** All roles that somebody can have: shipped ones, those that keys may have, and what issuers give. */
export function knownRoles({ policies, issuers }: RoleSources): string[] {
  const granted = Object.values(issuers ?? {}).flatMap(issuer =>
    (issuer?.grants ?? []).flatMap(rule => rule.roles ?? []),
  )
  return [...new Set([...shippedRoles, ...(policies?.roles ?? []), ...granted])]
}
