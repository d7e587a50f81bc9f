import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ceilings, Environment } from '#core/principal.ts'
import { authorize, mayUse } from './authorize.ts'
import { compileModels } from './check-model.ts'
import type { Permitted } from './permit.ts'

const none: Ceilings = { scopes: null, operations: null, allowsModel: null, allowsAddress: null }

const permits = () => ({ allowed: true, policies: ['p'], error: null, shadow: null })

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
    const principal = { kind: 'api_key', id: 'key_1', environment, ceilings: none } as unknown as Permitted
    const target = targets[name]
    assert.equal(mayUse(principal, target), allowed)
    if (allowed) assert.deepEqual(authorize(principal, target, permits), { principal, target })
    else
      assert.throws(() => authorize(principal, target, permits), {
        name: 'Problem',
        code: 'policy.environment',
        status: 403,
      })
  })
}

test('a key that may use some models reaches no other', () => {
  const ceilings = { ...none, allowsModel: compileModels(['gpt-*']) }
  const principal = { kind: 'api_key', id: 'key_1', environment: 'live', ceilings } as unknown as Permitted
  const target = targets['real provider']
  assert.deepEqual(authorize(principal, target, permits), { principal, target })
  const other = { ...target, model: 'o9' }
  assert.equal(mayUse(principal, other), false)
  assert.throws(() => authorize(principal, other, permits), {
    code: 'policy.model',
    status: 403,
    detail: /key_1 .* o9/,
  })
})

for (const [what, decision, refusal] of [
  [
    'no policy permits',
    { policies: [], error: null },
    { detail: /^No policy lets the key key_1 use/, reason: 'no_policy' },
  ],
  [
    'one forbids',
    { policies: ['a', 'b'], error: null },
    { detail: /^A policy forbids the key key_1 to use/, reason: 'a b' },
  ],
  ['one fails', { policies: [], error: 'overflow' }, { detail: /^No policy lets/, reason: 'policy_error' }],
] as const) {
  test(`what ${what} is refused, and the answer names no policy`, () => {
    const principal = { kind: 'api_key', id: 'key_1', environment: 'live', ceilings: none } as unknown as Permitted
    const decide = () => ({ allowed: false, shadow: null, ...decision })
    assert.throws(() => authorize(principal, targets['real provider'], decide), {
      code: 'policy.denied',
      status: 403,
      ...refusal,
    })
  })
}
