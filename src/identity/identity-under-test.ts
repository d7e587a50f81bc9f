import type { VerifiedIdentity } from '#core/principal.ts'
import type { IdentityTokenUse } from './identity-token.ts'

/** When tests happen. */
export const NOW = Date.UTC(2026, 0, 15, 12)
export const ISSUER = 'https://ai.example.com'

/** A key without ceilings, with what is said otherwise. */
export function makeIdentity(otherwise: Partial<VerifiedIdentity> = {}): VerifiedIdentity {
  return {
    kind: 'api_key',
    id: 'key_1',
    project: 'proj_default',
    environment: 'live',
    expiresAt: null,
    ceilings: { scopes: null, operations: null, allowsModel: null, allowsAddress: null },
    limits: null,
    budgets: null,
    roles: [],
    tags: {},
    binding: null,
    token: null,
    ...otherwise,
  }
}

export function makeUse(otherwise: Partial<IdentityTokenUse> = {}): IdentityTokenUse {
  return { service: 'catalog', callId: 'req_1', at: NOW, request: null, ...otherwise }
}
