import Type, { type Static } from 'typebox'
import type { KeyLimit } from '#core/key-bounds.ts'
import type { Binding } from '#core/principal.ts'
import type { KeyRecord, KeySecret, KeyStatus } from '#store/ports.ts'
import { binding, budget, environment, limit } from './key-schema.ts'

const time = (description: string) => Type.Union([Type.String(), Type.Null()], { description, examples: [null] })
const names = (description: string) =>
  Type.Union([Type.Array(Type.String()), Type.Null()], { description, examples: [null] })

/** A key as the admin API shows it: never its text or digest. Times are ISO 8601 in UTC. */
export const keyView = Type.Object({
  id: Type.String({ description: 'Id of the key.', examples: ['key_01kd5e7m3v9qwhc4t2x8r6b0zn'] }),
  project: Type.String({ description: 'Id of its project.', examples: ['proj_default'] }),
  name: Type.String({ description: 'Who or what uses it.', examples: ['checkout'] }),
  environment,
  hint: Type.String({
    description: 'Prefix, environment and the last four characters of the newest secret.',
    examples: ['sk_live_…abcd'],
  }),
  status: Type.Union(
    [Type.Literal('active'), Type.Literal('disabled'), Type.Literal('expired'), Type.Literal('revoked')],
    { description: 'Whether it is accepted now.' },
  ),
  roles: names('Roles that it has; null = none.'),
  scopes: names('Scopes that it has; null = all.'),
  models: names('Models that it may use; null = all.'),
  operations: names('Operations that it may use; null = all.'),
  cidrs: names('Addresses that it may be used from; null = all.'),
  denied_cidrs: names('Addresses that it may not be used from, whatever else allows them; null = none.'),
  limits: Type.Union([Type.Array(limit), Type.Null()], { description: 'Rates and calls at once; null = none.' }),
  budgets: Type.Union([Type.Array(budget), Type.Null()], { description: 'What it may spend; null = no bound.' }),
  binding: Type.Union([...binding.anyOf, Type.Null()], {
    description: 'With what callers must prove that it is theirs; null = who bears it may use it.',
    examples: [null],
  }),
  metadata: Type.Record(Type.String(), Type.String(), { description: 'Names and values of your own.', examples: [{}] }),
  secrets: Type.Array(
    Type.Object({
      hint: Type.String({ description: 'What may be shown of it.', examples: ['sk_live_…abcd'] }),
      created_at: Type.String({ description: 'When it was made.' }),
      expires_at: time('End of its grace; null = as long as the key.'),
    }),
    {
      description: 'The secrets that work unless the key is disabled, newest first.',
    },
  ),
  version: Type.Integer({ description: 'Number of its changes; its ETag.' }),
  created_at: Type.String({ description: 'When it was made.' }),
  created_by: Type.String({ description: 'Id of the operator that made it.', examples: ['bootstrap'] }),
  updated_at: Type.String({ description: 'When it was last changed.' }),
  expires_at: time('When it ends; null = never.'),
  disabled_at: time('Since when it is disabled; null = it is not.'),
  revoked_at: time('When it was revoked; null = it is not.'),
  last_used_at: time('When it was last used, to ten seconds; null = never.'),
  last_used_from: time('Address that it was last used from.'),
  leak_reported_at: time('When one of its texts was last reported as leaked; null = never.'),
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
    roles: key.roles && [...key.roles],
    scopes: key.scopes && [...key.scopes],
    models: key.models && [...key.models],
    operations: key.operations && [...key.operations],
    cidrs: key.cidrs && [...key.cidrs],
    denied_cidrs: key.deniedCidrs && [...key.deniedCidrs],
    limits: key.limits?.map(viewLimit) ?? null,
    budgets: key.budgets && [...key.budgets],
    binding: key.binding && viewBinding(key.binding),
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
    leak_reported_at: toTime(key.leakReportedAt),
  }
}

/** Whether a key is accepted at this time, or why not. */
export function statusOf(key: KeyRecord, now: number): KeyStatus {
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

function viewBinding({ kind, thumbprint }: Binding): Static<typeof binding> {
  return kind === 'dpop' ? { dpop_jkt: thumbprint } : { x5t_s256: thumbprint }
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
