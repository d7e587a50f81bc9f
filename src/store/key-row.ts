import type { Selectable } from 'kysely'
import type { KeyRecord } from './ports.ts'
import type { KeysTable } from './tables.ts'

/** A key as a row, and back. */
export function toRow(key: KeyRecord): KeysTable {
  return {
    id: key.id,
    name: key.name,
    environment: key.environment,
    digest: key.digest,
    pepper_id: key.pepperId,
    hint: key.hint,
    created_at: key.createdAt,
    expires_at: key.expiresAt,
    revoked_at: key.revokedAt,
  }
}

export function toRecord(row: Selectable<KeysTable>): KeyRecord {
  return {
    id: row.id,
    name: row.name,
    environment: row.environment,
    digest: row.digest,
    pepperId: row.pepper_id,
    hint: row.hint,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  }
}
