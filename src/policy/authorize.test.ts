import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Environment, Principal } from '#core/principal.ts'
import { authorize, reaches } from './authorize.ts'

const targets = {
  sandbox: { model: 'echo', test: true, sandbox: true },
  'provider tagged test': { model: 'cheap', test: true, sandbox: false },
  'real provider': { model: 'gpt-5', test: false, sandbox: false },
}

const matrix: readonly (readonly [Environment, keyof typeof targets, boolean])[] = [
  ['test', 'sandbox', true],
  ['test', 'provider tagged test', true],
  ['test', 'real provider', false],
  ['live', 'sandbox', false],
  ['live', 'provider tagged test', true],
  ['live', 'real provider', true],
]

for (const [environment, name, allowed] of matrix) {
  test(`a ${environment} key ${allowed ? 'reaches' : 'does not reach'} the ${name}`, () => {
    const principal = { kind: 'api_key', id: 'key_1', environment, expiresAt: null } as unknown as Principal
    const target = targets[name]
    assert.equal(reaches(principal, target), allowed)
    if (allowed) assert.deepEqual(authorize(principal, target), { principal, target })
    else assert.throws(() => authorize(principal, target), { name: 'Problem', code: 'policy.environment', status: 403 })
  })
}
