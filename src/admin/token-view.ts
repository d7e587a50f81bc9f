import Type, { type Static } from 'typebox'
import { adminScopes } from '#core/operator.ts'
import type { OperatorTokenRecord } from '#store/ports.ts'

export const scopesSchema = Type.Array(Type.Enum([...adminScopes]), {
  minItems: 1,
  maxItems: adminScopes.length,
  uniqueItems: true,
  description: 'What the token may do.',
})

/** An operator token as the admin API shows it: never its text or digest. Times are ISO 8601 in UTC. */
export const tokenView = Type.Object({
  id: Type.String({ examples: ['tok_01kd5e7m3v9qwhc4t2x8r6b0zn'] }),
  name: Type.String({ examples: ['Ada’s laptop'] }),
  scopes: scopesSchema,
  projects: Type.Union([Type.Array(Type.String()), Type.Null()], {
    description: 'The only projects that the token reaches; null = all.',
    examples: [null],
  }),
  status: Type.Union([Type.Literal('active'), Type.Literal('expired'), Type.Literal('revoked')]),
  created_at: Type.String(),
  created_by: Type.String({ description: 'Id of the token that made it.', examples: ['bootstrap'] }),
  expires_at: Type.Union([Type.String(), Type.Null()]),
  revoked_at: Type.Union([Type.String(), Type.Null()], { examples: [null] }),
  last_used_at: Type.Union([Type.String(), Type.Null()], { description: 'To the hour; null = never.' }),
})

export type TokenView = Static<typeof tokenView>

export function viewToken(token: OperatorTokenRecord, now: number): TokenView {
  return {
    id: token.id,
    name: token.name,
    scopes: [...token.scopes],
    projects: token.projects === null ? null : [...token.projects],
    status: statusOf(token, now),
    created_at: new Date(token.createdAt).toISOString(),
    created_by: token.createdBy,
    expires_at: toIso(token.expiresAt),
    revoked_at: toIso(token.revokedAt),
    last_used_at: toIso(token.lastUsedAt),
  }
}

function statusOf({ revokedAt, expiresAt }: OperatorTokenRecord, now: number): TokenView['status'] {
  if (revokedAt !== null) return 'revoked'
  return expiresAt !== null && expiresAt <= now ? 'expired' : 'active'
}

function toIso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}

/** The schema of an operation on one token, which it answers. */
export const oneToken = (summary: string) => ({
  summary,
  params: Type.Object(
    { id: Type.String({ pattern: '^tok_[0-9a-z]{26}$', description: 'Id of the operator token.' }) },
    { additionalProperties: false },
  ),
  response: { 200: Type.Object({ token: tokenView }) },
})
