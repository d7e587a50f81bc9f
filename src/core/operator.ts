/** What an operator may be allowed to do through the admin API. */
export const adminScopes = [
  'projects:read',
  'projects:write',
  'keys:read',
  'keys:write',
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

export function maySeeProject(by: Pick<Operator, 'projects'>, project: string): boolean {
  return by.projects === null || by.projects.has(project)
}
