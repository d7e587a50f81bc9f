/** What an operator may be allowed to do through the admin API. */
export const adminScopes = [
  'projects:read',
  'projects:write',
  'keys:read',
  'keys:write',
  'keys:grant',
  'tokens:read',
  'tokens:write',
  'secrets:read',
  'secrets:write',
  'issuers:read',
  'policies:read',
  'revocations:read',
  'revocations:write',
  'usage:read',
  'audit:read',
  'audit:write',
  'config:read',
  'config:write',
  'metrics:read',
] as const

export type AdminScope = (typeof adminScopes)[number]

/** An operator whose token was verified. */
export interface Operator {
  /** Id of the token. */
  readonly id: string
  readonly scopes: ReadonlySet<AdminScope>
  /** The only projects that exist for this operator; null = all. */
  readonly projects: ReadonlySet<string> | null
}

/**
 * Whether keys that the operator makes, changes or takes over may have what reaches beyond their project: roles, scopes of services
 * and tags that policies read. Who is limited to projects needs a scope for it.
 */
export function mayGrant({ scopes, projects }: Pick<Operator, 'scopes' | 'projects'>): boolean {
  return projects === null || scopes.has('keys:grant')
}

export function maySeeProject(by: Pick<Operator, 'projects'>, project: string): boolean {
  return by.projects === null || by.projects.has(project)
}
