import type { Environment, VerifiedIdentity } from '#core/principal.ts'
import { parsePolicies } from './parse-policies.ts'
import type { Policy } from './policy.ts'

interface PrincipalFacts {
  readonly kind: VerifiedIdentity['kind']
  readonly roles: readonly string[]
  readonly project: string
  readonly environment: Environment
  readonly scopes: readonly string[] | null
  readonly tags: Readonly<Record<string, string>>
  readonly binding: VerifiedIdentity['binding']
  readonly client: string | null
  readonly acr: string | null
  /** Seconds since the log-in, at 08:30 of 2 March 2026. */
  readonly age: number | null
}

/** Somebody, a new object each time. */
export function principalOf({ kind, scopes, client, acr, age, tags, ...facts }: PrincipalFacts): VerifiedIdentity {
  const authenticatedAt = age === null ? null : Date.parse('2026-03-02T07:30:00Z') - age * 1000
  const token = {
    issuer: 'company',
    subject: 'job',
    client,
    session: null,
    tokenId: null,
    issuedAt: null,
    acr,
    authenticatedAt,
  }
  return Object.freeze<VerifiedIdentity>({
    ...facts,
    kind,
    id: { api_key: 'key_1', user: 'company:job', service: 'company/job' }[kind],
    expiresAt: null,
    ceilings: { scopes: scopes && new Set(scopes), operations: null, allowsModel: null, allowsAddress: null },
    limits: null,
    budgets: null,
    tags: kind === 'api_key' ? tags : {},
    token: kind === 'api_key' ? null : token,
  })
}

/** The policies of one file, which has no fault. */
export function policiesIn(text: string): readonly Policy[] {
  const { policies, faults } = parsePolicies([{ file: 'own.cedar', text }])
  if (faults.length > 0) throw new Error(JSON.stringify(faults))
  return policies
}
