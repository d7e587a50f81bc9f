import type { Generated } from 'kysely'
import type { Environment } from '#core/principal.ts'
import type { RevocationKind } from '#core/revocation.ts'
import type { Change } from './ports.ts'

/** Rows as both databases give them: times in ms since the epoch, JSON as text. */
export interface Tables {
  projects: ProjectsTable
  keys: KeysTable
  key_secrets: KeySecretsTable
  key_metadata: KeyMetadataTable
  audit_changes: AuditChangesTable
  audit_decisions: AuditDecisionsTable
  audit_heads: AuditHeadsTable
  audit_checkpoints: AuditCheckpointsTable
  changes: ChangesTable
  secrets: SecretsTable
  secret_versions: SecretVersionsTable
  operator_tokens: OperatorTokensTable
  idempotency_keys: IdempotencyKeysTable
  usage_hours: UsageHoursTable
  allowances: AllowancesTable
  revocations: RevocationsTable
}

export interface ProjectsTable {
  id: string
  name: string
  description: string | null
  cidrs: string | null
  denied_cidrs: string | null
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
  roles: string | null
  scopes: string | null
  models: string | null
  operations: string | null
  cidrs: string | null
  denied_cidrs: string | null
  limits: string | null
  budgets: string | null
  binding: string | null
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
  leak_reported_at: number | null
}

export interface KeySecretsTable {
  digest: string
  key_id: string
  pepper_id: string
  hint: string
  created_at: number
  expires_at: number | null
}

/** `metadata` of `KeysTable`, a row a member: what lists are filtered by. */
export interface KeyMetadataTable {
  name: string
  value: string
  key_id: string
}

/** The chain of changes: one row an event, written in the change's own transaction. */
export interface AuditChangesTable {
  /** 1, 2, 3 … without a gap. */
  seq: number
  id: string
  at: number
  type: string
  /** The whole event as JSON. */
  data: string
  /** `changeHash` of the row. */
  hash: string
}

/** The chains of decisions: one row a batch. */
export interface AuditDecisionsTable {
  chain: string
  /** 1, 2, 3 … in each chain. */
  seq: number
  first_at: number
  last_at: number
  /** Events of the row. */
  count: number
  /** The events as JSON, one a line. */
  data: string
  /** `decisionHash` of the row. */
  hash: string
}

/** Where the chain of changes stands; whoever appends to it locks this row. */
export interface AuditHeadsTable {
  chain: string
  seq: number
  hash: string
}

/** `Checkpoint` of core. */
export interface AuditCheckpointsTable {
  seq: number
  at: number
  heads: string
  previous: string
  key_id: string
  signature: string
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

/** `UsageDelta` of core, summed. */
export interface UsageHoursTable {
  hour: number
  project_id: string
  key_id: string
  user_id: string
  model: string
  provider: string
  environment: Environment
  requests: number
  failed: number
  refused: number
  input: number
  cached_input: number
  cache_write: number
  output: number
  reasoning: number
  audio_input: number
  audio_output: number
  image_input: number
  image_output: number
  cost_nano_usd: number
  unpriced: number
  estimated: number
}

/** `Allowance` of the ports. */
export interface AllowancesTable {
  id: string
  /** When it began; 0 = it has no end. */
  period: number
  /** Which run of the gateway took of it last. */
  epoch: string
  used: number
  /** How far that run may have used it. */
  high: number
  /** 1 = that run has settled, and holds nothing of it. */
  closed: number
  /** What the last take charged for a run that had not settled. */
  charged: number
}

export interface RevocationsTable {
  id: string
  issuer: string
  kind: RevocationKind
  value: string
  not_before: number | null
  reason: string | null
  created_at: number
  created_by: string
  expires_at: number | null
}
