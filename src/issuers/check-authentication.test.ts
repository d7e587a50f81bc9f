import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AuthenticationRequirement } from '#core/login-strength.ts'
import type { TokenFacts, VerifiedIdentity } from '#core/principal.ts'
import type { Problem } from '#core/problems.ts'
import { createAuthenticationCheck } from './check-authentication.ts'

const NOW = 1_800_000_000_000

function identity(facts: Partial<TokenFacts>, kind: VerifiedIdentity['kind'] = 'user'): VerifiedIdentity {
  return {
    ...{ kind, id: 'company:alice', project: 'proj_default', environment: 'live', expiresAt: null, limits: null },
    ...{
      ceilings: { scopes: null, operations: null, allowsModel: null, allowsAddress: null },
      budgets: null,
      roles: [],
      tags: {},
    },
    binding: null,
    token: {
      ...{ issuer: 'company', subject: 'alice', client: null, session: null, tokenId: null, issuedAt: null },
      ...{ acr: null, authenticatedAt: null },
      ...facts,
    },
  } as VerifiedIdentity
}

function judge(found: VerifiedIdentity, requirement: Partial<AuthenticationRequirement>): Problem | null {
  const requirements = new Map([['company', { acrValues: [], maxAgeSeconds: null, ...requirement }]])
  return createAuthenticationCheck(requirements, () => NOW)(found)
}

describe('what is asked of logins', () => {
  const cases = [
    ['a class that is asked for', { acrValues: ['phr', 'phrh'] }, { acr: 'phrh' }, true],
    ['another class', { acrValues: ['phr'] }, { acr: 'pwd' }, false],
    ['a class that only begins like it', { acrValues: ['phr'] }, { acr: 'phrh' }, false],
    ['no class', { acrValues: ['phr'] }, {}, false],
    ['a login that is as old as it may be', { maxAgeSeconds: 300 }, { authenticatedAt: NOW - 300_000 }, true],
    ['a login that is too old', { maxAgeSeconds: 300 }, { authenticatedAt: NOW - 300_001 }, false],
    ['no word of when', { maxAgeSeconds: 300 }, { acr: 'phr' }, false],
    ['the right class, too long ago', { acrValues: ['a'], maxAgeSeconds: 1 }, { acr: 'a', authenticatedAt: 0 }, false],
    ['a token of another issuer', { acrValues: ['phr'] }, { issuer: 'other' }, true],
  ] as const
  for (const [what, requirement, facts, passes] of cases) {
    it(`${what}: ${passes ? 'passes' : 'is refused'}`, () => {
      const refusal = judge(identity(facts), requirement)
      if (passes) assert.equal(refusal, null)
      else assert.deepEqual([refusal?.code, refusal?.credential], ['auth.insufficient_authentication', 'company:alice'])
    })
  }

  it('is named in the challenge (RFC 9470 §3), and what was lacking in the event', () => {
    const requirement = { acrValues: ['phr', 'phrh'], maxAgeSeconds: 300 }
    const weak = judge(identity({}), requirement)
    assert.equal(
      weak?.challenge,
      'error="insufficient_user_authentication", error_description="A stronger or more recent authentication is required", acr_values="phr phrh", max_age="300"',
    )
    const old = judge(identity({ acr: 'phr', authenticatedAt: NOW - 300_001 }), requirement)
    assert.deepEqual([weak?.reason, old?.reason], ['authentication_too_weak', 'authentication_too_old'])
  })

  it('does not concern programs and keys', () => {
    const requirement = { acrValues: ['phr'] }
    assert.equal(judge(identity({}, 'service'), requirement), null)
    assert.equal(judge({ ...identity({}, 'api_key'), token: null }, requirement), null)
  })
})
