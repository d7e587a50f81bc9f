import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TokenFacts, VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { MAX_REVOKED_VALUE } from '#core/revocation.ts'
import type { TokenQuery, TokenStanding } from '#store/revocations-port.ts'
import { createRevocationCheck } from './check-revocation.ts'

const facts: TokenFacts = {
  issuer: 'company',
  subject: 'ada',
  client: 'app',
  session: 'sid-1',
  tokenId: 'jti-1',
  issuedAt: 5000,
  acr: null,
  authenticatedAt: null,
}
const identity = (token: TokenFacts | null) => ({ id: 'company:ada', project: 'proj_a', token }) as VerifiedIdentity
const projectAddresses = { allow: null, deny: null }
const signedBy = { keyId: 'k1', thumbprint: 'thumb-1' }

/** A check before a store that says one thing, and what it was asked. */
function setUp(standing: TokenStanding = { revoked: null, projectExists: true, projectAddresses }) {
  const asked: TokenQuery[] = []
  const check = createRevocationCheck({
    async judge(token) {
      asked.push(token)
      return standing
    },
  })
  return { check, asked }
}

test('asks by every name of the token, its key’s two among them', async () => {
  const { check, asked } = setUp()
  const ada = identity(facts)
  assert.equal(await check(ada, signedBy), ada)
  const names = { issuer: 'company', token: 'jti-1', subject: 'ada', client: 'app', session: 'sid-1' }
  const rest = { keyId: 'k1', keyThumbprint: 'thumb-1', issuedAt: 5000, project: 'proj_a' }
  assert.deepEqual(asked, [{ ...names, ...rest }])
})

test('asks by no name that the token lacks, or that no entry can have', async () => {
  const { check, asked } = setUp()
  const long = 'x'.repeat(MAX_REVOKED_VALUE + 1)
  await check(identity({ ...facts, client: null, session: 'a\0b', tokenId: long, issuedAt: null }), null)
  const [{ client, session, token, keyId, keyThumbprint, issuedAt } = {} as TokenQuery] = asked
  assert.deepEqual([client, session, token, keyId, keyThumbprint, issuedAt], [null, null, null, null, null, null])
})

test('refuses with the kind of the entry, or for want of the project, and says who it was', async () => {
  const cases: readonly (readonly [TokenStanding, string])[] = [
    [{ revoked: 'session', projectExists: true, projectAddresses }, 'token_revoked_session'],
    [{ revoked: 'key', projectExists: false, projectAddresses }, 'token_revoked_key'],
    [{ revoked: null, projectExists: false, projectAddresses }, 'token_project'],
  ]
  for (const [standing, reason] of cases) {
    const refusal = await setUp(standing).check(identity(facts), signedBy)
    assert.ok(refusal instanceof Problem)
    assert.deepEqual(
      [refusal.code, refusal.reason, refusal.credential],
      ['auth.invalid_credential', reason, 'company:ada'],
    )
  }
})

test('keeps who presents it to the addresses of the project', async () => {
  const lists = { allow: ['10.0.0.0/8'], deny: ['10.1.0.0/16'] }
  const { check } = setUp({ revoked: null, projectExists: true, projectAddresses: lists })
  const ada = { ...identity(facts), ceilings: { scopes: new Set(['chat:create']), allowsAddress: null } }
  const admitted = await check(ada as unknown as VerifiedIdentity, signedBy)
  assert.ok(!(admitted instanceof Problem))
  const { allowsAddress, scopes } = admitted.ceilings
  assert.deepEqual([scopes, admitted.id], [ada.ceilings.scopes, ada.id])
  const allowed = ['10.0.0.1', '10.1.0.1', '192.0.2.1', '::ffff:10.0.0.1'].map(address => allowsAddress?.(address))
  assert.deepEqual(allowed, [true, false, false, true])
})

test('passes on that the store is away, and is not for API keys', async () => {
  const judge = async () => Promise.reject(new Problem('store.unavailable'))
  await assert.rejects(createRevocationCheck({ judge })(identity(facts), null), { code: 'store.unavailable' })
  await assert.rejects(setUp().check(identity(null), null), TypeError)
})
