import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TokenFacts, VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { type AuthenticationRequirement, requireAuthentication } from './require-authentication.ts'

const NOW = 1_800_000_000_000

function identity(facts: Partial<TokenFacts>, kind: VerifiedIdentity['kind'] = 'user'): VerifiedIdentity {
  return {
    ...{ kind, id: 'company:alice', project: 'proj_default', environment: 'live', expiresAt: null, limits: null },
    ...{
      ceilings: { scopes: null, operations: null, allowsModel: null, allowsAddress: null },
      budgets: null,
      roles: [],
    },
    binding: null,
    token: {
      ...{ issuer: 'company', subject: 'alice', client: null, session: null, tokenId: null, issuedAt: null },
      ...{ acr: null, authenticatedAt: null },
      ...facts,
    },
  } as VerifiedIdentity
}

/** The verdict on a token of this identity, awaited or not. */
async function judge(found: VerifiedIdentity | Problem | null, requirement: Partial<AuthenticationRequirement>) {
  const requirements = new Map([['company', { acrValues: [], maxAgeSeconds: null, ...requirement }]])
  const atOnce = await requireAuthentication(
    () => found,
    requirements,
    () => NOW,
  )('token', '')
  const later = await requireAuthentication(
    async () => found,
    requirements,
    () => NOW,
  )('token', '')
  assert.equal(atOnce, later === found ? found : atOnce)
  return later
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
    it(`${what}: ${passes ? 'passes' : 'is refused'}`, async () => {
      const found = identity(facts)
      const verdict = await judge(found, requirement)
      if (passes) assert.equal(verdict, found)
      else assert.equal((verdict as Problem).code, 'auth.insufficient_authentication')
    })
  }

  it('is named in the challenge (RFC 9470 §3)', async () => {
    const verdict = (await judge(identity({}), { acrValues: ['phr', 'phrh'], maxAgeSeconds: 300 })) as Problem
    assert.equal(
      verdict.challenge,
      'error="insufficient_user_authentication", error_description="A stronger or more recent authentication is required", acr_values="phr phrh", max_age="300"',
    )
  })

  it('does not concern programs, refusals and what is no token', async () => {
    const requirement = { acrValues: ['phr'] }
    for (const found of [identity({}, 'service'), null, new Problem('auth.invalid_credential')]) {
      assert.equal(await judge(found, requirement), found)
    }
  })
})
