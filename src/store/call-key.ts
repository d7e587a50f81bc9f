import type { CallKey } from './ports.ts'

/** All that a call needs of a key, by the digest of the secret it was made with; the digest is the one parameter. */
export const CALL_KEY = `select s.digest, s.expires_at as secret_expires_at, k.id, k.project_id, k.environment, k.roles,
  k.scopes, k.models, k.operations, k.cidrs, k.denied_cidrs, k.limits, k.budgets, k.binding, k.metadata, k.expires_at,
  k.disabled_at, k.revoked_at, p.cidrs as project_cidrs, p.denied_cidrs as project_denied_cidrs
  from key_secrets s join keys k on k.id = s.key_id join projects p on p.id = k.project_id where s.digest = `

/** A row of that statement; JSON as text. */
export interface CallKeyRow {
  readonly digest: string
  readonly secret_expires_at: number | null
  readonly id: string
  readonly project_id: string
  readonly environment: CallKey['environment']
  readonly roles: string | null
  readonly scopes: string | null
  readonly models: string | null
  readonly operations: string | null
  readonly cidrs: string | null
  readonly denied_cidrs: string | null
  readonly limits: string | null
  readonly budgets: string | null
  readonly binding: string | null
  readonly metadata: string
  readonly expires_at: number | null
  readonly disabled_at: number | null
  readonly revoked_at: number | null
  readonly project_cidrs: string | null
  readonly project_denied_cidrs: string | null
}

export function toCallKey(row: CallKeyRow): CallKey {
  return {
    digest: row.digest,
    secretExpiresAt: row.secret_expires_at,
    id: row.id,
    project: row.project_id,
    environment: row.environment,
    roles: list(row.roles),
    scopes: list(row.scopes),
    models: list(row.models),
    operations: list(row.operations),
    cidrs: list(row.cidrs),
    deniedCidrs: list(row.denied_cidrs),
    limits: list(row.limits),
    budgets: list(row.budgets),
    binding: row.binding === null ? null : JSON.parse(row.binding),
    metadata: JSON.parse(row.metadata),
    expiresAt: row.expires_at,
    disabledAt: row.disabled_at,
    revokedAt: row.revoked_at,
    projectAddresses: { allow: list(row.project_cidrs), deny: list(row.project_denied_cidrs) },
  }
}

function list<T = string>(json: string | null): readonly T[] | null {
  return json === null ? null : JSON.parse(json)
}
