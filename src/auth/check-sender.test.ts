import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import type { Binding, VerifiedIdentity } from '#core/principal.ts'
import type { SenderNotes } from './authenticate.ts'
import { createCheckSender } from './check-sender.ts'
import type { VerifyProof } from './dpop/dpop-verify.ts'

const key: Binding = { kind: 'dpop', thumbprint: 'T'.repeat(43) }
const certificate: Binding = { kind: 'certificate', thumbprint: 'C'.repeat(43) }

function bound(binding: Binding | null): VerifiedIdentity {
  return { id: 'key_1', binding } as VerifiedIdentity
}

/** Code, reason and challenge of the refusal; null = none. */
async function check(
  binding: Binding | null,
  dpop: boolean,
  {
    proof = null,
    presented = null,
    origin = null,
  }: Partial<Record<'proof' | 'presented' | 'origin', string | null>> = {},
) {
  const verifyProof: VerifyProof = ({ thumbprint, credential, onNonce }) => {
    assert.deepEqual([thumbprint, credential], [key.thumbprint, 'k1'])
    onNonce('next')
    return Promise.resolve(proof)
  }
  const notes: SenderNotes = { source: '', dpopNonce: null, origin }
  const checkSender = createCheckSender({ verifyProof, certificateThumbprint: () => presented })
  const problem = await checkSender(bound(binding), { text: 'k1', dpop }, {} as IncomingMessage, notes)
  const error = problem && (/error="(\w+)"/.exec(problem.challenge ?? '')?.[1] ?? null)
  return problem && [problem.code, problem.reason, error, problem.credential]
}

const code = 'auth.invalid_credential'

describe('a credential bound to a key', () => {
  test('is taken with a good proof', async () => assert.equal(await check(key, true), null))
  test('is refused without, whatever certificate comes with it', async () => {
    const refusal = [code, 'proof_as_bearer', null, 'key_1']
    assert.deepEqual(await check(key, false), refusal)
    assert.deepEqual(await check(key, false, { presented: key.thumbprint }), refusal)
  })
  test('is refused with a bad proof, and the challenge says which kind of bad', async () => {
    for (const [proof, error] of [
      ['proof_target', 'invalid_dpop_proof'],
      ['proof_nonce', 'use_dpop_nonce'],
      ['proof_nonce_missing', 'use_dpop_nonce'],
    ] as const) {
      assert.deepEqual(await check(key, true, { proof }), [code, proof, error, 'key_1'])
    }
  })
  test('is answered 503 where a proof cannot be remembered', async () => {
    assert.equal((await check(key, true, { proof: 'proof_no_room' }))?.[0], 'auth.too_many_proofs')
  })
})

describe('a credential bound to a certificate', () => {
  test('is refused where another proxy asks: the connection is the proxy’s', async () => {
    const asked = { presented: certificate.thumbprint, origin: 'https://app.example.com' }
    assert.deepEqual((await check(certificate, false, asked))?.[1], 'proof_no_certificate')
  })
  test('is taken on a connection with that certificate, and on no other', async () => {
    assert.equal(await check(certificate, false, { presented: certificate.thumbprint }), null)
    assert.deepEqual((await check(certificate, false))?.[1], 'proof_no_certificate')
    assert.deepEqual((await check(certificate, false, { presented: key.thumbprint }))?.[1], 'proof_other_certificate')
  })
  test('is refused with a proof by a key, also with the certificate', async () => {
    const refusal = [code, 'proof_not_bound', 'invalid_token', 'key_1']
    assert.deepEqual(await check(certificate, true, { presented: certificate.thumbprint }), refusal)
  })
})

test('a credential that is bound to nothing is taken as it is, and refused with a proof', async () => {
  assert.equal(await check(null, false), null)
  assert.deepEqual(await check(null, true), [code, 'proof_not_bound', 'invalid_token', 'key_1'])
})
