import type { RevocationKind } from '#core/revocation.ts'
import type { TokenQuery, TokenStanding } from './revocations-port.ts'

/**
 * What stands against a token, as one row; `place` writes the nth parameter of `toParameters`. Each way of naming it is
 * one search of the index on issuer, kind and value.
 */
export function tokenStanding(place: (n: number) => string): string {
  const ways = (['token', 'subject', 'client', 'session', 'key', 'key'] as const).map(
    (kind, i) => `(kind = '${kind}' and value = ${place(3 + i)})`,
  )
  return `select (select 1 from projects where id = ${place(1)}) as project,
    (select kind from revocations where issuer = ${place(2)} and (${ways.join(' or ')})
      and (not_before is null or not_before >= ${place(9)}) limit 1) as kind`
}

export function toParameters(token: TokenQuery): (string | number | null)[] {
  const { project, issuer, subject, client, session, keyId, keyThumbprint, issuedAt } = token
  return [project, issuer, token.token, subject, client, session, keyId, keyThumbprint, issuedAt ?? 0]
}

/** A row of that statement. */
export interface TokenStandingRow {
  readonly project: number | null
  readonly kind: RevocationKind | null
}

export function toTokenStanding({ project, kind }: TokenStandingRow): TokenStanding {
  return { revoked: kind, projectExists: project !== null }
}
