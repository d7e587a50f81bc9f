import Type, { type Static } from 'typebox'
import type { KeyRecord } from '#store/ports.ts'

/** A key as the admin API shows it: never its text or digest. Times are ISO 8601 in UTC. */
export const keyView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  environment: Type.Union([Type.Literal('live'), Type.Literal('test')]),
  hint: Type.String({ description: 'Prefix, environment and the last four characters.' }),
  status: Type.Union([Type.Literal('active'), Type.Literal('expired'), Type.Literal('revoked')]),
  created_at: Type.String(),
  expires_at: Type.Union([Type.String(), Type.Null()]),
  revoked_at: Type.Union([Type.String(), Type.Null()]),
})

export type KeyView = Static<typeof keyView>

export function viewKey(key: KeyRecord, now: number): KeyView {
  return {
    id: key.id,
    name: key.name,
    environment: key.environment,
    hint: key.hint,
    status: statusOf(key, now),
    created_at: toIso(key.createdAt),
    expires_at: key.expiresAt === null ? null : toIso(key.expiresAt),
    revoked_at: key.revokedAt === null ? null : toIso(key.revokedAt),
  }
}

function statusOf(key: KeyRecord, now: number): KeyView['status'] {
  if (key.revokedAt !== null) return 'revoked'
  return key.expiresAt !== null && key.expiresAt <= now ? 'expired' : 'active'
}

function toIso(ms: number): string {
  return new Date(ms).toISOString()
}
