import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Value } from 'typebox/value'
import { complete, isObject, type SecretReference } from './complete.ts'
import { Faults, type Path } from './faults.ts'
import { makeJsonSchema } from './reference.ts'
import { configSchema } from './schema.ts'
import type { SchemaNode } from './shape.ts'
import { listVariables } from './variables.ts'

interface Member {
  readonly path: Path
  readonly node: SchemaNode
  readonly parent: SchemaNode
}

/** Every member at every depth, entries of maps as `*`. */
function listMembers(node: SchemaNode, path: Path = []): Member[] {
  const own = Object.entries(node.properties ?? {}).flatMap(([name, member]) => [
    { path: [...path, name], node: member, parent: node },
    ...listMembers(member, [...path, name]),
  ])
  const entries = Object.values(node.patternProperties ?? {}).flatMap(value => listMembers(value, [...path, '*']))
  const branches = (node.anyOf ?? []).flatMap(branch => listMembers(branch, path))
  return [...own, ...entries, ...branches]
}

const members = listMembers(configSchema)
const isLeaf = ({ node }: Member) =>
  node.properties === undefined && !node.anyOf?.some(branch => branch.properties !== undefined)

describe('the schema', () => {
  it('refuses unknown members in every object', () => {
    for (const { node, path } of members) {
      for (const part of [node, ...(node.anyOf ?? []), ...Object.values(node.patternProperties ?? {})]) {
        if (part.properties !== undefined || part.patternProperties !== undefined) {
          assert.equal(part.additionalProperties, false, path.join('.'))
        }
      }
    }
  })

  it('describes every member', () => {
    for (const { node, path } of members) assert.match(node.description ?? '', /^[A-Z].*\.$/, path.join('.'))
  })

  it('has an example for every leaf, and it fits', () => {
    for (const { node, path } of members.filter(isLeaf)) {
      assert.ok((node.examples ?? []).length > 0, path.join('.'))
      for (const example of node.examples ?? []) assert.deepEqual(findFaults(node, example), [], path.join('.'))
    }
  })

  it('has a default for every leaf that is not required, and it fits', () => {
    const without = members
      .filter(isLeaf)
      .filter(({ node }) => node.default === undefined && node['x-default'] === undefined)
      .map(({ path }) => path.join('.'))
    assert.deepEqual(
      [...new Set(without)],
      [
        'store.kind',
        'store.url',
        'keys.leakReports.keysUrl',
        'audit.anchors.file',
        'audit.anchors.webhook',
        'audit.anchors.webhookSecret',
        'audit.anchors.s3',
        'audit.anchors.s3Region',
        'audit.anchors.s3AccessKeyId',
        'audit.anchors.s3SecretAccessKey',
        'issuers.*.issuer',
        'issuers.*.jwksUrl',
        'issuers.*.jwksFile',
        'issuers.*.introspection.url',
        'issuers.*.introspection.clientId',
        'issuers.*.introspection.clientSecret',
        'issuers.*.introspection.tokenPrefix',
        'decide.proxies.*.dialect',
        'decide.proxies.*.addresses',
        'decide.proxies.*.secret',
        'decide.proxies.*.origins',
        'providers.*.format',
        'providers.*.credential',
        'providers.*.callerToken',
        'models.*.provider',
        'services.*.url',
        'services.*.path',
        'services.*.host',
        'services.*.credential',
        'services.*.callerToken',
        'limits.*.unit',
        'limits.*.amount',
        'budgets.*.unit',
        'budgets.*.amount',
        'budgets.*.period',
      ],
    )
    for (const { node, path } of members.filter(({ node }) => node.default !== undefined)) {
      assert.deepEqual(findFaults(node, node.default), [], path.join('.'))
    }
  })

  it('bounds every number and every list', () => {
    for (const { node, path } of members) {
      for (const part of [node, ...(node.anyOf ?? [])]) {
        if (part.type === 'integer' || part.type === 'number')
          assert.ok(part.minimum !== undefined && part.maximum !== undefined, path.join('.'))
        if (part.type === 'array') assert.ok(part.maxItems !== undefined, path.join('.'))
      }
    }
  })

  it('gives each fixed member a variable of its own', () => {
    const variables = listVariables(configSchema, {})
    const paths = Map.groupBy(variables, ({ name }) => name)
    for (const [name, same] of paths) {
      assert.equal(new Set(same.map(({ path }) => path.join('.'))).size, 1, name)
      assert.match(name, /^OSTIARY(_[A-Z0-9]+)+$/)
    }
  })
})

describe('our validator', () => {
  it('agrees with TypeBox’s on the JSON Schema', () => {
    const schema = makeJsonSchema()
    let accepted = 0
    fc.assert(
      fc.property(arbitraryFile, file => {
        const ours = findFaults(configSchema, file).length === 0
        assert.equal(ours, Value.Check(schema, file))
        if (ours) accepted++
      }),
      { numRuns: 5000 },
    )
    assert.ok(accepted > 100, `only ${accepted} of the files were valid`)
  })
})

function findFaults(node: SchemaNode, value: unknown): string[] {
  const faults = new Faults('x')
  const references: SecretReference[] = []
  complete(node, value, [], faults, references)
  try {
    faults.throwIfAny()
    return []
  } catch (error) {
    return (error as Error).message.split('\n')
  }
}

const junk = fc.constantFrom<unknown>(
  null,
  true,
  0,
  -1,
  1.5,
  1e12,
  '',
  'auto',
  'env:X',
  'x y',
  [],
  ['test'],
  {},
  { a: 1 },
)

/** A file near the schema: right members with right or wrong values, some left out, some unknown. */
const arbitraryFile = arbitraryFor(configSchema)

function arbitraryFor(node: SchemaNode): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 120, arbitrary: fitting(node) }, { weight: 1, arbitrary: junk })
}

function fitting(node: SchemaNode): fc.Arbitrary<unknown> {
  if (node.properties !== undefined) {
    const all = mapValues(node.properties, arbitraryFor)
    const constant = Object.keys(node.properties).filter(name => node.properties?.[name]?.const !== undefined)
    const known = fc.record(all, { requiredKeys: constant })
    return fc.oneof(
      { weight: 40, arbitrary: known },
      { weight: 1, arbitrary: known.map(value => ({ ...(value as object), unknown: 1 })) },
    )
  }
  if (node.patternProperties !== undefined) {
    const name = fc.constantFrom('a', 'b-2', 'gpt*', 'B', '*', 'a*b', '')
    const [value] = Object.values(node.patternProperties) as [SchemaNode]
    return fc.dictionary(fc.oneof({ weight: 20, arbitrary: fc.constant('c') }, name), arbitraryFor(value), {
      maxKeys: 2,
    })
  }
  if (node.anyOf !== undefined) return fc.oneof(...node.anyOf.map(fitting))
  if (node.const !== undefined) return fc.constant(node.const)
  const samples: unknown[] = [...(node.examples ?? []), ...(node.enum ?? [])]
  if (node.default !== undefined) samples.push(node.default)
  if (node.type === 'null') samples.push(null)
  if (node.type === 'integer' || node.type === 'number') samples.push(node.minimum, node.maximum)
  return fc.constantFrom(...samples)
}

function mapValues<T, U>(object: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> {
  assert.ok(isObject(object))
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]))
}
