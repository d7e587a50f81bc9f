import assert from 'node:assert/strict'
import { test } from 'node:test'
import { actionOf } from '#core/action.ts'
import { type OperationId, operationScopes } from '#core/operations.ts'
import type { Admitted } from './check-address.ts'
import { compileCeilings } from './compile-ceilings.ts'
import { permit } from './permit.ts'

const FREE = { allowsAddress: null, requirements: [] }
const HERE = { source: '127.0.0.1', at: 0 }
const operations = Object.keys(operationScopes) as OperationId[]

function principal(scopes: string[] | null, allowed: string[] | null): Admitted {
  return {
    kind: 'api_key',
    id: 'key_1',
    ceilings: compileCeilings({ scopes, operations: allowed, models: null, addresses: [] }),
  } as unknown as Admitted
}

test('a key without ceilings may use every operation', () => {
  const anyone = principal(null, null)
  for (const operation of operations) assert.equal(permit(anyone, actionOf(operation), FREE, HERE), anyone)
})

for (const operation of operations) {
  const scope = operationScopes[operation]
  test(`${operation} needs ${scope}, and the challenge says so`, () => {
    assert.ok(permit(principal([scope], null), actionOf(operation), FREE, HERE))
    const others = Object.values(operationScopes).filter(other => other !== scope)
    assert.throws(() => permit(principal(others, null), actionOf(operation), FREE, HERE), {
      code: 'policy.scope',
      status: 403,
      detail: `The key key_1 lacks the scope ${scope}.`,
      headers: { 'www-authenticate': `Bearer realm="ostiary", error="insufficient_scope", scope="${scope}"` },
    })
  })

  test(`${operation} is refused to a key that may use all others`, () => {
    assert.ok(permit(principal([scope], [operation]), actionOf(operation), FREE, HERE))
    const others = operations.filter(other => other !== operation)
    assert.throws(() => permit(principal(null, others), actionOf(operation), FREE, HERE), {
      code: 'policy.operation',
      status: 403,
    })
  })
}

test('names that this version does not know allow nothing', () => {
  assert.throws(() => permit(principal(['chat:create '], null), actionOf('openai.chat'), FREE, HERE), {
    code: 'policy.scope',
  })
  assert.throws(() => permit(principal(null, ['__proto__', 'toString']), actionOf('openai.chat'), FREE, HERE), {
    code: 'policy.operation',
  })
})

test('an operation may be closed to an address, beside what the key says', () => {
  const closed = { allowsAddress: (address: string) => address === '10.0.0.1', requirements: [] }
  const chat = actionOf('openai.chat')
  assert.ok(permit(principal(null, null), chat, closed, { source: '10.0.0.1', at: 0 }))
  assert.throws(() => permit(principal(null, null), chat, closed, { source: '10.0.0.2', at: 0 }), {
    code: 'policy.address',
    status: 403,
    detail: 'The operation openai.chat may not be used from 10.0.0.2.',
  })
})
