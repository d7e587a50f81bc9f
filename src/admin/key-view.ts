import Type, { type Static } from 'typebox'
import type { KeyLimit } from '#core/key-bounds.ts'
import type { KeyRecord, KeySecret, KeyStatus } from '#store/ports.ts'
import { budget, environment, limit } from './key-schema.ts'

const time = Type.Union([Type.String(), Type.Null()])
const names = Type.Union([Type.Array(Type.String()), Type.Null()])

/** A key as the admin API shows it: never its text or digest. Times are ISO 8601 in UTC. */
export const keyView = Type.Object({
  id: Type.String(),
  project: Type.String(),
  name: Type.String(),
  environment,
  hint: Type.String({ description: 'Prefix, environment and the last four characters of the newest secret.' }),
  status: Type.Union([
    Type.Literal('active'),
    Type.Literal('disabled'),
    Type.Literal('expired'),
    Type.Literal('revoked'),
  ]),
  scopes: names,
  models: names,
  operations: names,
  cidrs: names,
  limits: Type.Union([Type.Array(limit), Type.Null()]),
  budgets: Type.Union([Type.Array(budget), Type.Null()]),
  metadata: Type.Record(Type.String(), Type.String()),
  secrets: Type.Array(Type.Object({ hint: Type.String(), created_at: Type.String(), expires_at: time }), {
    description: 'The secrets that work unless the key is disabled, newest first.',
  }),
  version: Type.Integer(),
  created_at: Type.String(),
  created_by: Type.String(),
  updated_at: Type.String(),
  expires_at: time,
  disabled_at: time,
  revoked_at: time,
  last_used_at: time,
  last_used_from: time,
})

export type KeyView = Static<typeof keyView>

export function viewKey(key: KeyRecord, now: number): KeyView {
  const status = statusOf(key, now)
  return {
    id: key.id,
    project: key.project,
    name: key.name,
    environment: key.environment,
    hint: key.secrets[0]?.hint ?? '',
    status,
    scopes: key.scopes && [...key.scopes],
    models: key.models && [...key.models],
    operations: key.operations && [...key.operations],
    cidrs: key.cidrs && [...key.cidrs],
    limits: key.limits?.map(viewLimit) ?? null,
    budgets: key.budgets && [...key.budgets],
    metadata: key.metadata,
    secrets: status === 'active' || status === 'disabled' ? key.secrets.filter(works(now)).map(viewSecret) : [],
    version: key.version,
    created_at: toIso(key.createdAt),
    created_by: key.createdBy,
    updated_at: toIso(key.updatedAt),
    expires_at: toTime(key.expiresAt),
    disabled_at: toTime(key.disabledAt),
    revoked_at: toTime(key.revokedAt),
    last_used_at: toTime(key.lastUsedAt),
    last_used_from: key.lastUsedFrom,
  }
}

function statusOf(key: KeyRecord, now: number): KeyStatus {
  if (key.revokedAt !== null) return 'revoked'
  if (key.expiresAt !== null && key.expiresAt <= now) return 'expired'
  return key.disabledAt === null ? 'active' : 'disabled'
}

function works(now: number): (secret: KeySecret) => boolean {
  return ({ expiresAt }) => expiresAt === null || expiresAt > now
}

function viewSecret({ hint, createdAt, expiresAt }: KeySecret) {
  return { hint, created_at: toIso(createdAt), expires_at: toTime(expiresAt) }
}

function viewLimit(bound: KeyLimit): Static<typeof limit> {
  if (bound.unit === 'concurrency') return bound
  return { unit: bound.unit, amount: bound.amount, window_seconds: bound.windowSeconds }
}

function toTime(ms: number | null): string | null {
  return ms === null ? null : toIso(ms)
}

function toIso(ms: number): string {
  return new Date(ms).toISOString()
}
