import type { CallKey } from './ports.ts'

/** All that a call needs of a key, by the digest of the secret it was made with; the digest is the one parameter. */
export const CALL_KEY = `select s.digest, s.expires_at as secret_expires_at, k.id, k.project_id, k.environment, k.scopes,
  k.models, k.operations, k.cidrs, k.limits, k.budgets, k.binding, k.expires_at, k.disabled_at, k.revoked_at
  from key_secrets s join keys k on k.id = s.key_id where s.digest = `

/** A row of that statement; JSON as text. */
export interface CallKeyRow {
  readonly digest: string
  readonly secret_expires_at: number | null
  readonly id: string
  readonly project_id: string
  readonly environment: CallKey['environment']
  readonly scopes: string | null
  readonly models: string | null
  readonly operations: string | null
  readonly cidrs: string | null
  readonly limits: string | null
  readonly budgets: string | null
  readonly binding: string | null
  readonly expires_at: number | null
  readonly disabled_at: number | null
  readonly revoked_at: number | null
}

export function toCallKey(row: CallKeyRow): CallKey {
  return {
    digest: row.digest,
    secretExpiresAt: row.secret_expires_at,
    id: row.id,
    project: row.project_id,
    environment: row.environment,
    scopes: list(row.scopes),
    models: list(row.models),
    operations: list(row.operations),
    cidrs: list(row.cidrs),
    limits: list(row.limits),
    budgets: list(row.budgets),
    binding: row.binding === null ? null : JSON.parse(row.binding),
    expiresAt: row.expires_at,
    disabledAt: row.disabled_at,
    revokedAt: row.revoked_at,
  }
}

function list<T = string>(json: string | null): readonly T[] | null {
  return json === null ? null : JSON.parse(json)
}
