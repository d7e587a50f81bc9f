import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import Schema from 'typebox/schema'
import { schemaInstance } from './schema-instance.ts'

const cases: [string, unknown, unknown][] = [
  [
    'required members only',
    { type: 'object', properties: { a: { type: 'string' }, b: {} }, required: ['a'] },
    { a: 'sandbox' },
  ],
  ['const', { const: { x: [1] } }, { x: [1] }],
  ['first of an enum', { type: 'string', enum: ['kg', 'lb'] }, 'kg'],
  ['a type beside null', { type: ['null', 'integer'], minimum: 3 }, 3],
  ['types in upper case', { type: 'OBJECT', properties: { n: { type: 'INTEGER' } }, required: ['n'] }, { n: 0 }],
  ['64-bit numbers as text', { type: 'ARRAY', items: { type: 'BOOLEAN' }, minItems: '2' }, [true, true]],
  ['tuples', { type: 'array', prefixItems: [{ const: 1 }, { const: 2 }], minItems: 3, items: { const: 3 } }, [1, 2, 3]],
  ['a format', { type: 'string', format: 'date' }, '2026-01-01'],
  ['an unknown format', { type: 'string', format: 'constructor' }, 'sandbox'],
  ['length', { type: 'string', minLength: 9, maxLength: 9 }, 'sandbox..'],
  ['references', { $defs: { a: { $ref: '#/$defs/b~1c' }, 'b/c': { const: 7 } }, $ref: '#/$defs/a' }, 7],
  [
    'allOf',
    { allOf: [{ properties: { a: { const: 1 } }, required: ['a'] }, { required: ['b'] }] },
    { a: 1, b: 'sandbox' },
  ],
  [
    'a union with keywords beside',
    { type: 'object', required: ['k'], oneOf: [{ properties: { k: { const: 1 } } }] },
    { k: 1 },
  ],
  [
    'the end of a list',
    { properties: { next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } }, required: ['next'] },
    { next: { next: null } },
  ],
  ['anything', true, 'sandbox'],
  ['nothing', false, null],
  ['endless recursion', { $ref: '#' }, null],
]
for (const [what, schema, instance] of cases) {
  test(`instance of ${what}`, () => assert.deepEqual(schemaInstance(schema), instance))
}

test('bounds an instance that would double at every step', () => {
  const $defs: Record<string, unknown> = { d30: { type: 'string' } }
  for (let i = 0; i < 30; i++) {
    const $ref = `#/$defs/d${i + 1}`
    $defs[`d${i}`] = { type: 'object', properties: { a: { $ref }, b: { $ref } }, required: ['a', 'b'] }
  }
  assert.equal(schemaInstance({ $defs, $ref: '#/$defs/d0' }), null)
})

test('bounds depth, items and text', () => {
  let deep: unknown = {}
  for (let i = 0; i < 10_000; i++) deep = { type: 'array', minItems: 1, items: deep }
  assert.equal(schemaInstance(deep), null)
  assert.ok((schemaInstance({ type: 'array', minItems: 1e9 }) as unknown[]).length <= 100)
  assert.ok((schemaInstance({ type: 'string', minLength: 1e9 }) as string).length <= 1000)
})

test('bounds size and work where a large part is used many times', () => {
  const many = (items: object) => ({ type: 'array', minItems: 100, items: { type: 'array', minItems: 100, items } })
  const properties = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`p${i}`, { const: i }]))
  const required = Object.keys(properties)
  const large: object[] = [
    many({ const: 'x'.repeat(1e6) }),
    many({ properties, required }),
    many({ allOf: Array(1000).fill({ properties, required }) }),
    { properties, required, anyOf: Array(1000).fill({ properties: { p0: false } }) },
    { $defs: { a: { properties: { p0: false }, required } }, anyOf: Array(1000).fill({ $ref: '#/$defs/a' }) },
  ]
  const started = performance.now()
  for (const schema of large) assert.equal(schemaInstance(schema), null)
  assert.ok(performance.now() - started < 2000)
})

test('is never the member __proto__', () => {
  const instance = schemaInstance(
    JSON.parse('{"required":["__proto__","a"],"properties":{"__proto__":{"const":{"x":1}}}}'),
  )
  assert.deepEqual(Object.keys(instance as object), ['a'])
  assert.equal(Object.getPrototypeOf(instance), Object.prototype)
})

const numeric = fc
  .record({
    type: fc.constantFrom('integer', 'number'),
    low: fc.option(fc.integer({ min: -50, max: 50 }), { nil: undefined }),
    room: fc.option(fc.integer({ min: 20, max: 40 }), { nil: undefined }),
    lowOpen: fc.boolean(),
    highOpen: fc.boolean(),
    multipleOf: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
  })
  .map(({ type, low, room, lowOpen, highOpen, multipleOf }) => ({
    type,
    ...(low === undefined ? {} : { [lowOpen ? 'exclusiveMinimum' : 'minimum']: low }),
    ...(room === undefined ? {} : { [highOpen ? 'exclusiveMaximum' : 'maximum']: (low ?? -60) + room }),
    ...(multipleOf === undefined ? {} : { multipleOf }),
  }))

const stringy = fc
  .tuple(fc.option(fc.nat(20), { nil: undefined }), fc.option(fc.nat(20), { nil: undefined }))
  .map(([minLength, room]) => ({
    type: 'string',
    ...(minLength === undefined ? {} : { minLength }),
    ...(room === undefined ? {} : { maxLength: (minLength ?? 0) + room }),
  }))

const { schema } = fc.letrec<{ schema: object }>(tie => ({
  schema: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    numeric,
    stringy,
    fc.constantFrom(...['string', 'integer', 'number', 'boolean', 'null'].map(type => ({ type }))),
    fc.jsonValue({ maxDepth: 1 }).map(value => ({ const: value })),
    fc.array(fc.string(), { minLength: 1, maxLength: 3 }).map(values => ({ enum: values })),
    fc.record({ type: fc.constant('array'), items: tie('schema'), minItems: fc.nat(3) }),
    fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map(anyOf => ({ anyOf, description: 'One of them.' })),
    fc
      .dictionary(
        fc.string({ minLength: 1, maxLength: 5 }).filter(name => name !== '__proto__'),
        tie('schema'),
        { maxKeys: 4 },
      )
      .chain(properties =>
        fc
          .subarray(Object.keys(properties))
          .map(required => ({ type: 'object', properties, required, additionalProperties: false })),
      ),
  ),
}))

test('an instance is valid against its schema', () => {
  fc.assert(
    fc.property(schema, generated => {
      assert.ok(Schema.Check(generated, schemaInstance(generated)), JSON.stringify(schemaInstance(generated)))
    }),
    { numRuns: 500 },
  )
})
