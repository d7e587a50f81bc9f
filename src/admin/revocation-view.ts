import Type, { type Static } from 'typebox'
import { MAX_REVOKED_VALUE, revocationKinds } from '#core/revocation.ts'
import type { RevocationRecord } from '#store/revocations-port.ts'

export const issuerName = Type.String({
  pattern: '^[a-z][a-z0-9-]{0,31}$',
  maxLength: 32,
  description: 'Name of the issuer in the configuration.',
  examples: ['company'],
})

export const revocationKind = Type.Enum([...revocationKinds], {
  description:
    'What the value is a name of: `token` = `jti`; `subject`, `client` and `session` as the issuer’s claims say them; `key` = `kid`, or thumbprint (RFC 7638), of a key that tokens are signed with.',
  examples: ['subject'],
})

export const revokedValue = Type.String({
  // No control characters: they would write to an operator's terminal, and PostgreSQL keeps no NUL.
  pattern: `^[^\\x00-\\x1f\\x7f-\\x9f]{1,${MAX_REVOKED_VALUE}}$`,
  maxLength: MAX_REVOKED_VALUE,
  description: 'Compared byte by byte.',
  examples: ['248289761001'],
})

/** An entry of the revocation list as the admin API shows it. Times are ISO 8601 in UTC. */
export const revocationView = Type.Object({
  id: Type.String({ examples: ['rev_01kd5e7m3v9qwhc4t2x8r6b0zn'] }),
  issuer: issuerName,
  kind: revocationKind,
  value: revokedValue,
  not_before: Type.Union([Type.String(), Type.Null()], {
    description: 'Tokens issued at or before this moment are refused; null = whenever they were issued.',
    examples: ['2026-01-31T12:00:00.000Z'],
  }),
  reason: Type.Union([Type.String(), Type.Null()], { examples: ['laptop stolen'] }),
  created_at: Type.String(),
  created_by: Type.String({
    description: 'Id of the operator’s token.',
    examples: ['tok_01kd5e7m3v9qwhc4t2x8r6b0zn'],
  }),
  expires_at: Type.Union([Type.String(), Type.Null()], {
    description: 'When no token that it refuses can be good any more, and it is deleted; null = never.',
  }),
})

export type RevocationView = Static<typeof revocationView>

export function viewRevocation(entry: RevocationRecord): RevocationView {
  return {
    id: entry.id,
    issuer: entry.issuer,
    kind: entry.kind,
    value: entry.value,
    not_before: toIso(entry.notBefore),
    reason: entry.reason,
    created_at: new Date(entry.createdAt).toISOString(),
    created_by: entry.createdBy,
    expires_at: toIso(entry.expiresAt),
  }
}

function toIso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}

/** The schema of an operation on one entry, which it answers. */
export const oneRevocation = (summary: string) => ({
  summary,
  params: Type.Object(
    { id: Type.String({ pattern: '^rev_[0-9a-z]{26}$', description: 'Id of the entry.' }) },
    { additionalProperties: false },
  ),
  response: { 200: Type.Object({ revocation: revocationView }) },
})
