import type { Insertable, Selectable } from 'kysely'
import type { KeyChange, KeyRecord, KeySecret } from './ports.ts'
import type { KeyMetadataTable, KeySecretsTable, KeysTable } from './tables.ts'

/** A key as a row, and back. */
export function toRow(key: KeyRecord): Insertable<KeysTable> {
  return {
    id: key.id,
    project_id: key.project,
    environment: key.environment,
    version: key.version,
    ...(toColumns(key) as Required<ReturnType<typeof toColumns>>),
  }
}

const COLUMNS = {
  name: 'name',
  roles: 'roles',
  scopes: 'scopes',
  models: 'models',
  operations: 'operations',
  cidrs: 'cidrs',
  deniedCidrs: 'denied_cidrs',
  limits: 'limits',
  budgets: 'budgets',
  binding: 'binding',
  metadata: 'metadata',
  createdAt: 'created_at',
  createdBy: 'created_by',
  updatedAt: 'updated_at',
  expiresAt: 'expires_at',
  disabledAt: 'disabled_at',
  revokedAt: 'revoked_at',
  lastUsedAt: 'last_used_at',
  lastUsedFrom: 'last_used_from',
  expiryWarnedAt: 'expiry_warned_at',
  leakReportedAt: 'leak_reported_at',
} as const satisfies Record<keyof KeyChange['set'], keyof KeysTable>

/** The members that are there, as columns. */
export function toColumns(set: KeyChange['set']) {
  const columns: Partial<Record<(typeof COLUMNS)[keyof typeof COLUMNS], unknown>> = {}
  for (const name of Object.keys(COLUMNS) as (keyof typeof COLUMNS)[]) {
    const value = set[name]
    if (value === undefined) continue
    columns[COLUMNS[name]] = typeof value === 'object' && value !== null ? JSON.stringify(value) : value
  }
  return columns as Partial<Omit<KeysTable, 'id' | 'project_id' | 'environment' | 'version'>>
}

export function toRecord(row: Selectable<KeysTable>, secrets: readonly KeySecret[]): KeyRecord {
  return {
    id: row.id,
    project: row.project_id,
    name: row.name,
    environment: row.environment,
    roles: parse(row.roles),
    scopes: parse(row.scopes),
    models: parse(row.models),
    operations: parse(row.operations),
    cidrs: parse(row.cidrs),
    deniedCidrs: parse(row.denied_cidrs),
    limits: parse(row.limits),
    budgets: parse(row.budgets),
    binding: parse(row.binding),
    metadata: JSON.parse(row.metadata),
    version: row.version,
    createdAt: row.created_at,
    createdBy: row.created_by,
    updatedAt: row.updated_at,
    expiresAt: row.expires_at,
    disabledAt: row.disabled_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
    lastUsedFrom: row.last_used_from,
    expiryWarnedAt: row.expiry_warned_at,
    leakReportedAt: row.leak_reported_at,
    secrets,
  }
}

export function toSecretRow(keyId: string, secret: KeySecret): Insertable<KeySecretsTable> {
  return {
    digest: secret.digest,
    key_id: keyId,
    pepper_id: secret.pepperId,
    hint: secret.hint,
    created_at: secret.createdAt,
    expires_at: secret.expiresAt,
  }
}

export function toMetadataRows(keyId: string, metadata: KeyRecord['metadata']): Insertable<KeyMetadataTable>[] {
  return Object.entries(metadata).map(([name, value]) => ({ name, value, key_id: keyId }))
}

export function toSecret(row: Selectable<KeySecretsTable>): KeySecret {
  return {
    digest: row.digest,
    pepperId: row.pepper_id,
    hint: row.hint,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }
}

function parse<T>(json: string | null): T | null {
  return json === null ? null : JSON.parse(json)
}
