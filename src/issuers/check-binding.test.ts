import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Binding } from '#core/principal.ts'
import { checkBinding } from './check-binding.ts'
import type { Issuer } from './issuer.ts'

const dpop: Binding = { kind: 'dpop', thumbprint: 'x' }
const certificate: Binding = { kind: 'certificate', thumbprint: 'x' }

for (const [constraint, unbound, withKey, withCertificate] of [
  ['none', null, null, null],
  ['dpop', 'token_not_bound', null, 'token_bound_otherwise'],
  ['certificate', 'token_not_bound', 'token_bound_otherwise', null],
  ['any', 'token_not_bound', null, null],
] as const) {
  test(`senderConstraint ${constraint}`, () => {
    const issuer = { senderConstraint: constraint } as Issuer
    assert.deepEqual(
      [null, dpop, certificate].map(binding => checkBinding(binding, issuer)),
      [unbound, withKey, withCertificate],
    )
  })
}
