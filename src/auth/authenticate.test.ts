import assert from 'node:assert/strict'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { test } from 'node:test'
import type { VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { type Authenticator, type CheckSender, createAuthenticate as create } from './authenticate.ts'

const identity: VerifiedIdentity = {
  kind: 'api_key',
  id: 'key_1',
  project: 'proj_default',
  environment: 'test',
  expiresAt: null,
  ceilings: { scopes: null, operations: null, allowsModel: null, allowsAddress: null },
  limits: null,
  budgets: null,
  roles: [],
  tags: {},
  binding: null,
  token: null,
}
/** Some answers come at once, and refusals as answers: here all are awaited alike, and refusals thrown. */
function createAuthenticate(
  chain: readonly Authenticator[],
  checkSender: CheckSender = () => assert.fail('was asked'),
  checkAuthentication: (found: VerifiedIdentity) => Problem | null = () => null,
) {
  const authenticate = create({ chain, checkSender, checkAuthentication })
  return async (headers: IncomingHttpHeaders, query: string) => {
    const verdict = await authenticate({ headers } as IncomingMessage, query, {
      source: '192.0.2.1',
      dpopNonce: null,
      origin: null,
    })
    if (verdict instanceof Problem) throw verdict
    return verdict
  }
}

const headers = { 'x-api-key': 'k1' }

function refuses(code: 'auth.invalid_credential' | 'store.unavailable'): Authenticator {
  return () => {
    const problem = new Problem(code)
    if (code === 'store.unavailable') throw problem
    return problem
  }
}

test('makes a principal of the identity that the first owner of the credential verified', async () => {
  const asked: string[] = []
  const authenticate = createAuthenticate([
    credential => {
      asked.push(credential)
      return null
    },
    async () => identity,
    refuses('auth.invalid_credential'),
  ])
  assert.deepEqual(await authenticate(headers, ''), identity)
  assert.deepEqual(asked, ['k1'])
})

test('without a credential nobody is asked, and the refusal says so', async () => {
  for (const chain of [[], [() => identity]]) {
    await assert.rejects(createAuthenticate(chain)({}, ''), { code: 'auth.missing_credential' })
    await assert.rejects(createAuthenticate(chain)({ authorization: 'Basic x' }, ''), {
      code: 'auth.missing_credential',
    })
  }
})

test('what nobody owns is refused like a wrong key', async () => {
  for (const chain of [[], [() => null, async () => null]]) {
    await assert.rejects(createAuthenticate(chain)(headers, ''), {
      code: 'auth.invalid_credential',
      reason: 'unrecognised',
    })
  }
})

test('a refusal ends the chain: no later authenticator can admit what one refused', async () => {
  const chain = [refuses('auth.invalid_credential'), () => identity]
  await assert.rejects(createAuthenticate(chain)(headers, ''), { code: 'auth.invalid_credential' })
})

test('who cannot tell is not taken for “not mine”', async () => {
  const chain = [refuses('store.unavailable'), () => identity]
  await assert.rejects(createAuthenticate(chain)(headers, ''), { code: 'store.unavailable' })
})

const bound = { ...identity, binding: { kind: 'dpop', thumbprint: 'x' } } as const
const withProof = { authorization: 'DPoP k1' }

test('asks for the proof of a bound credential, and of any that is presented with one', async () => {
  for (const [found, presented] of [
    [bound, headers],
    [bound, withProof],
    [identity, withProof],
  ] as const) {
    for (const asked of [() => null, async () => null]) {
      assert.equal(await createAuthenticate([() => found], asked)(presented, ''), found)
    }
    const refusal = new Problem('auth.invalid_credential', { reason: 'proof' })
    for (const asked of [() => refusal, async () => refusal]) {
      await assert.rejects(createAuthenticate([() => found], asked)(presented, ''), refusal)
    }
  }
})

test('asks for a better login only once the sender has proved to be who they are', async () => {
  const weak = new Problem('auth.insufficient_authentication')
  const theft = new Problem('auth.invalid_credential', { reason: 'proof' })
  for (const [found, refusal, expected] of [
    [identity, null, weak],
    [bound, null, weak],
    [bound, theft, theft],
  ] as const) {
    const authenticate = createAuthenticate(
      [() => found],
      async () => refusal,
      () => weak,
    )
    await assert.rejects(authenticate(headers, ''), expected)
  }
})

test('what nobody knows is asked for no proof', async () => {
  await assert.rejects(createAuthenticate([() => null])(withProof, ''), { reason: 'unrecognised' })
})

test('refuses two credentials and one in the query before anyone is asked', async () => {
  const authenticate = createAuthenticate([() => assert.fail('was asked')])
  await assert.rejects(authenticate({ 'x-api-key': 'a', 'api-key': 'b' }, ''), { code: 'auth.multiple_credentials' })
  await assert.rejects(authenticate(headers, 'key=k1'), { code: 'auth.credential_in_query' })
})

test('what the sender has proven before is not asked for again, unless the credential is bound to something else by now', async () => {
  const bound: VerifiedIdentity = { ...identity, binding: { kind: 'dpop', thumbprint: 'T' } }
  const refusal = new Problem('auth.invalid_credential', { reason: 'proof_used' })
  const [chain, checkAuthentication] = [[() => bound], () => null]
  const authenticate = create({ chain, checkSender: () => refusal, checkAuthentication })
  const ask = (proven: VerifiedIdentity['binding']) =>
    authenticate({ headers } as unknown as IncomingMessage, '', {
      source: '192.0.2.1',
      dpopNonce: null,
      origin: null,
      proven,
    })
  assert.deepEqual(ask({ kind: 'dpop', thumbprint: 'T' }), bound)
  assert.equal(ask({ kind: 'dpop', thumbprint: 'U' }), refusal)
  assert.equal(ask({ kind: 'certificate', thumbprint: 'T' }), refusal)
  assert.equal(ask(null), refusal)
})
