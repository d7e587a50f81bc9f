import type { Generated } from 'kysely'
import type { OstiaryEvent } from '#core/events.ts'
import type { Environment } from '#core/principal.ts'
import type { Change } from './ports.ts'

/** Rows as both databases give them: times in ms since the epoch, JSON as text. */
export interface Tables {
  keys: KeysTable
  events: EventsTable
  changes: ChangesTable
  secrets: SecretsTable
  secret_versions: SecretVersionsTable
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

export interface SecretsTable {
  id: string
  name: string
  /** The newest version that there ever was. */
  version: number
  created_at: number
}

export interface SecretVersionsTable {
  /** Id of the secret. */
  secret: string
  version: number
  kek_id: string
  wrapped_key: string
  ciphertext: string
  created_at: number
  ends_at: number | null
}
