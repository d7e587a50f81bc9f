import type { Generated } from 'kysely'
import type { OstiaryEvent } from '#core/events.ts'
import type { Environment } from '#core/principal.ts'
import type { Change } from './ports.ts'

/** Rows as both databases give them: times in ms since the epoch, JSON as text. */
export interface Tables {
  projects: ProjectsTable
  keys: KeysTable
  key_secrets: KeySecretsTable
  events: EventsTable
  changes: ChangesTable
}

export interface ProjectsTable {
  id: string
  name: string
  description: string | null
  metadata: string
  version: number
  created_at: number
  updated_at: number
}

export interface KeysTable {
  id: string
  project_id: string
  name: string
  environment: Environment
  scopes: string | null
  models: string | null
  operations: string | null
  cidrs: string | null
  limits: string | null
  budgets: string | null
  metadata: string
  version: number
  created_at: number
  created_by: string
  updated_at: number
  expires_at: number | null
  disabled_at: number | null
  revoked_at: number | null
  last_used_at: number | null
  last_used_from: string | null
  expiry_warned_at: number | null
}

export interface KeySecretsTable {
  digest: string
  key_id: string
  pepper_id: string
  hint: string
  created_at: number
  expires_at: number | null
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
