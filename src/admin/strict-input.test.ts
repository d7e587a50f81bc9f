import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import Type from 'typebox'
import { requireStrictInput } from './strict-input.ts'

const strict = { additionalProperties: false }

describe('an operation whose input would let unknown members pass is refused when the server is made', () => {
  for (const [name, schema, place] of [
    ['in the body', { body: Type.Object({ a: Type.String() }) }, /body/],
    ['in the body, by its word', { body: Type.Object({}, { additionalProperties: true }) }, /body/],
    ['in the query', { querystring: Type.Object({ a: Type.String() }) }, /query/],
    ['deep in the body', { body: Type.Object({ a: Type.Object({ b: Type.Null() }) }, strict) }, /body\.a/],
    ['in an item', { body: Type.Object({ a: Type.Array(Type.Object({ b: Type.Null() })) }, strict) }, /body\.a\[\]/],
    ['in a branch', { body: Type.Union([Type.Null(), Type.Object({ b: Type.Null() })]) }, /body/],
  ] as const) {
    test(name, () => assert.throws(() => requireStrictInput({ url: '/x', schema }), place))
  }

  test('but not where each object says what it takes', () => {
    const labels = Type.Record(Type.String(), Type.String())
    requireStrictInput({ url: '/x', schema: { body: Type.Object({ a: Type.Object({}, strict), labels }, strict) } })
  })

  test('and an operation that names no query takes none', () => {
    const schema: { querystring?: unknown } = {}
    requireStrictInput({ url: '/x', schema })
    assert.deepEqual(schema.querystring, { type: 'object', properties: {}, additionalProperties: false })
  })
})
