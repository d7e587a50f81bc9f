import Type, { type Static } from 'typebox'
import type { PublicKey } from '#issuers/keys/public-key.ts'
import type { IssuerReport } from '#issuers/review/check-issuer.ts'
import type { LiveIssuer } from './issuer-operations.ts'

export const issuerName = Type.String({
  pattern: '^[a-z][a-z0-9-]{0,31}$',
  maxLength: 32,
  description: 'Name of the issuer in the configuration.',
  examples: ['company'],
})

const keyView = Type.Object({
  kid: Type.Union([Type.String(), Type.Null()], {
    description: 'Its name; null = it has none.',
    examples: ['2026-01'],
  }),
  thumbprint: Type.String({ description: 'SHA-256 thumbprint (RFC 7638).' }),
  kind: Type.String({ description: 'Its type and size, or its curve.', examples: ['RSA 2048'] }),
  algorithms: Type.Array(Type.String(), { description: 'Algorithms that it may verify.', examples: [['RS256']] }),
})

const timeOrNull = (description: string) => Type.Union([Type.String(), Type.Null()], { description })

/** An issuer as the admin API shows it. Times are ISO 8601 in UTC. */
export const issuerView = Type.Object({
  name: Type.String({ description: 'As the configuration names it.', examples: ['company'] }),
  preset: Type.String({ description: 'Whose tokens these are.', examples: ['keycloak'] }),
  issuer: Type.String({ description: 'The issuer identifier.', examples: ['https://id.example.com/realms/staff'] }),
  audience: Type.Array(Type.String(), { description: 'Who its tokens must be meant for.' }),
  algorithms: Type.Array(Type.String(), { description: 'Signatures that are taken.', examples: [['RS256']] }),
  keys_from: Type.String({ description: '`discovery`, `jwks_url` or `file`.', examples: ['discovery'] }),
  keys: Type.Union([Type.Array(keyView), Type.Null()], {
    description: 'Keys that tokens are verified with; null = none can be had, and calls are answered 503.',
  }),
  fetched_at: timeOrNull('When they were last fetched; null = never.'),
  failure: Type.Union([Type.String(), Type.Null()], { description: 'Why the last fetch failed; null = it did not.' }),
})

export type IssuerView = Static<typeof issuerView>

export function viewIssuer({ keysFrom, keys, fetchedAt, audience, algorithms, ...issuer }: LiveIssuer): IssuerView {
  return {
    ...issuer,
    audience: [...audience],
    algorithms: [...algorithms],
    keys_from: keysFrom,
    keys: keys === null ? null : keys.map(viewKey),
    fetched_at: fetchedAt === null ? null : new Date(fetchedAt).toISOString(),
  }
}

/** What a check found. */
export const issuerReportView = Type.Object({
  ok: Type.Boolean({ description: 'Whether no finding is an error.' }),
  metadata_url: Type.Union([Type.String(), Type.Null()], { description: 'Where its metadata are; null = nowhere.' }),
  jwks_uri: Type.Union([Type.String(), Type.Null()], { description: 'Where its keys are; null = that is not known.' }),
  keys: Type.Array(keyView, { description: 'Keys that it publishes now and that may be used.' }),
  clock_difference_ms: Type.Union([Type.Integer(), Type.Null()], {
    description: 'Its clock less this machine’s; null = it does not tell the time.',
  }),
  findings: Type.Array(
    Type.Object({
      level: Type.String({ description: '`error`, `warning` or `info`.', examples: ['warning'] }),
      code: Type.String({ description: 'A word for programs.', examples: ['clock_difference'] }),
      text: Type.String({ description: 'What it is and what to do about it.' }),
    }),
    { description: 'The worst first.' },
  ),
})

export type IssuerReportView = Static<typeof issuerReportView>

export function viewReport({
  metadataUrl,
  jwksUri,
  keys,
  clockDifferenceMs,
  findings,
}: IssuerReport): IssuerReportView {
  return {
    ok: findings.every(({ level }) => level !== 'error'),
    metadata_url: metadataUrl,
    jwks_uri: jwksUri,
    keys: keys.map(viewKey),
    clock_difference_ms: clockDifferenceMs === null ? null : Math.round(clockDifferenceMs),
    findings: [...findings],
  }
}

function viewKey({ keyId, thumbprint, kind, algorithms }: PublicKey): Static<typeof keyView> {
  return { kid: keyId, thumbprint, kind, algorithms: [...algorithms] }
}
