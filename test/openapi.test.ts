import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Compile } from 'typebox/schema'
import type { OpenApiOperation } from '#admin/openapi.ts'
import type { Schema } from '#admin/operation.ts'
import { adminScopes } from '#core/operator.ts'
import { type ProblemCode, problemTypes } from '#core/problems.ts'
import { makeOpenApi } from '../scripts/admin-openapi.ts'

const document = await makeOpenApi()
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
)

describe('the description of the admin API', () => {
  it('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(JSON.parse(JSON.stringify(document)))
    assert.ok(valid, JSON.stringify(errors, null, 2))
  })

  it('is checked in as it is', () => {
    assert.deepEqual(
      JSON.parse(readFileSync('docs/reference/openapi.json', 'utf8')),
      JSON.parse(JSON.stringify(document)),
    )
  })

  it('has an id of its own for each operation', () => {
    const ids = operations.map(({ operation }) => operation.operationId)
    assert.equal(new Set(ids).size, ids.length)
    assert.ok(ids.length > 8)
  })

  for (const { path, method, operation } of operations) {
    describe(`${method.toUpperCase()} ${path}`, () => {
      it('says what it is, and which scope it needs', () => {
        assert.match(operation.operationId, /^[a-z][A-Za-z]+$/)
        assert.match(String(operation.summary), /^[A-Z].{8,80}[^.]$/)
        assert.deepEqual(
          [(operation.tags as string[]).length, (operation.tags as string[])[0]?.length !== 0],
          [1, true],
        )
        const scope = operation['x-ostiary-scope'] as string | null
        if (path === '/healthz' || path === '/readyz') {
          return assert.deepEqual([scope, operation.security], [null, []])
        }
        assert.ok(scope === 'any' || (adminScopes as readonly (string | null)[]).includes(scope), `${scope}`)
        assert.deepEqual(operation.security, [{ operatorToken: scope === 'any' ? [] : [scope] }])
      })

      it('explains and bounds every parameter', () => {
        for (const { name, description, schema } of operation.parameters) {
          assert.ok((description ?? '').length > 8, `${name} has no description`)
          requireBounded(schema, name)
        }
        const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
        const inPath = operation.parameters.filter(parameter => parameter.in === 'path').map(({ name }) => name)
        assert.deepEqual(inPath, named)
      })

      it('explains and bounds every member of its body, and takes no other', () => {
        const body = operation.requestBody?.content['application/json']?.schema
        if (body !== undefined) requireExplained(body, 'body', true)
      })

      it('has examples that fit', () => requireExamples(operation))

      it('names every problem that it may answer, by status', () => requireProblems(operation))
    })
  }
})

function requireExamples(operation: OpenApiOperation): void {
  const contents = [
    ...Object.values(operation.requestBody?.content ?? {}),
    ...Object.values(operation.responses).flatMap(({ content }) => Object.values(content ?? {})),
  ]
  assert.ok(contents.length > 0)
  for (const { schema, example } of contents) {
    const isProblem = '$ref' in schema
    const used = isProblem ? (document.components as { schemas: { Problem: Schema } }).schemas.Problem : schema
    assert.notEqual(example, undefined)
    const [fits, errors] = Compile(used as never).Errors(example)
    assert.ok(fits, JSON.stringify([example, errors]))
  }
}

function requireProblems({ responses, ...operation }: OpenApiOperation): void {
  const statuses = Object.keys(responses)
  assert.ok(statuses.some(status => status.startsWith('2')))
  const always =
    operation['x-ostiary-scope'] !== null ? ['400', '401', '421', '429', '500', '503'] : ['400', '421', '500']
  if (operation['x-ostiary-scope'] !== null && operation['x-ostiary-scope'] !== 'any') always.push('403')
  if (operation.requestBody !== undefined) always.push('413', '415')
  assert.deepEqual(
    always.filter(status => !statuses.includes(status)),
    [],
  )
  for (const [status, response] of Object.entries(responses)) {
    assert.ok(String((response as { description?: string }).description).length > 3)
    if (Number(status) < 400 || response.content?.['application/json'] !== undefined) continue
    const codes = (response as { 'x-ostiary-problems'?: ProblemCode[] })['x-ostiary-problems'] ?? []
    assert.ok(codes.length > 0, status)
    for (const code of codes) assert.equal(problemTypes[code].status, Number(status), code)
    assert.ok(response.content?.['application/problem+json'] !== undefined, status)
  }
}

/** Of a member that has no description a reader must guess what it is. */
function requireExplained(schema: Schema, place: string, isRoot = false): void {
  if (!isRoot) assert.ok(String(schema.description ?? '').length > 8, `${place} has no description`)
  for (const branch of branches(schema)) {
    if (branch.properties !== undefined) {
      assert.notEqual(branch.additionalProperties, undefined, `${place} takes unknown members`)
      for (const [name, member] of Object.entries(branch.properties)) requireExplained(member, `${place}.${name}`)
    } else requireBounded(branch, place)
  }
}

/** What has no bound can be made too long. */
function requireBounded(schema: Schema, place: string): void {
  for (const branch of branches(schema)) {
    if ('const' in branch || Array.isArray(branch.enum)) continue
    if (branch.type === 'string') {
      const isFixed = typeof branch.pattern === 'string' && /^\^.*\{\d+\}\$$/.test(branch.pattern)
      assert.ok(branch.maxLength !== undefined || isFixed, `${place} has no maxLength`)
    }
    if (branch.type === 'integer' || branch.type === 'number') {
      assert.ok(branch.minimum !== undefined && branch.maximum !== undefined, `${place} has no minimum and maximum`)
    }
    if (branch.type === 'array') {
      assert.ok(branch.maxItems !== undefined, `${place} has no maxItems`)
      requireBounded(branch.items as Schema, `${place}[]`)
    }
  }
}

function branches(schema: Schema): readonly Schema[] {
  return schema.anyOf?.flatMap(branches) ?? [schema]
}
