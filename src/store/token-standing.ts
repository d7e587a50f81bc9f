import type { RevocationKind } from '#core/revocation.ts'
import type { TokenQuery, TokenStanding } from './revocations-port.ts'

/**
 * What stands against a token, as one row; `place` writes the nth parameter of `toParameters`. Each way of naming it is
 * one search of the index on issuer, kind and value.
 */
export function tokenStanding(place: (n: number) => string): string {
  const ways = (['token', 'subject', 'client', 'session', 'key', 'key'] as const).map(
    (kind, i) => `(kind = '${kind}' and value = ${place(2 + i)})`,
  )
  return `select p.id as project, p.cidrs, p.denied_cidrs,
    (select kind from revocations where issuer = ${place(1)} and (${ways.join(' or ')})
      and (not_before is null or not_before >= ${place(8)}) limit 1) as kind
    from (select 1 as one) as asked left join projects p on p.id = ${place(9)}`
}

export function toParameters(token: TokenQuery): (string | number | null)[] {
  const { project, issuer, subject, client, session, keyId, keyThumbprint, issuedAt } = token
  return [issuer, token.token, subject, client, session, keyId, keyThumbprint, issuedAt ?? 0, project]
}

/** A row of that statement. */
export interface TokenStandingRow {
  readonly project: string | null
  readonly cidrs: string | null
  readonly denied_cidrs: string | null
  readonly kind: RevocationKind | null
}

export function toTokenStanding({ project, kind, cidrs, denied_cidrs }: TokenStandingRow): TokenStanding {
  return {
    revoked: kind,
    projectExists: project !== null,
    projectAddresses: { allow: toList(cidrs), deny: toList(denied_cidrs) },
  }
}

function toList(json: string | null): readonly string[] | null {
  return json === null ? null : JSON.parse(json)
}
