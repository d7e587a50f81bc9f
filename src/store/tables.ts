import type { Generated } from 'kysely'
import type { OstiaryEvent } from '#core/events.ts'
import type { Environment } from '#core/principal.ts'
import type { Change } from './ports.ts'

/** Rows as both databases give them: times in ms since the epoch, JSON as text. */
export interface Tables {
  keys: KeysTable
  events: EventsTable
  changes: ChangesTable
  operator_tokens: OperatorTokensTable
  idempotency_keys: IdempotencyKeysTable
}

export interface KeysTable {
  id: string
  name: string
  environment: Environment
  digest: string
  pepper_id: string
  hint: string
  created_at: number
  expires_at: number | null
  revoked_at: number | null
}

export interface EventsTable {
  /** Order of insertion. */
  seq: Generated<number>
  id: string
  at: number
  type: OstiaryEvent['type']
  /** The whole event as JSON. */
  data: string
}

export interface ChangesTable {
  /** Order of commit. */
  seq: Generated<number>
  topic: Change['topic']
  subject: string
  at: number
}

export interface OperatorTokensTable {
  id: string
  name: string
  digest: string
  /** JSON: an array of scopes. */
  scopes: string
  /** JSON: an array of ids; null = all. */
  projects: string | null
  created_at: number
  created_by: string
  expires_at: number | null
  revoked_at: number | null
  last_used_at: number | null
}

export interface IdempotencyKeysTable {
  operator: string
  operation: string
  key_hash: string
  request_hash: string
  /** null = the first request has not ended. */
  answer: string | null
  expires_at: number
}
