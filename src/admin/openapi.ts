import { type ProblemCode, problemTypes } from '#core/problems.ts'
import { exampleOf } from './example.ts'
import type { Operation, Schema } from './operation.ts'

/** Of the API, not of the program: it changes when clients can tell. */
const API_VERSION = '0.1.0'

export interface OpenApi {
  readonly openapi: '3.1.1'
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>
  readonly [member: string]: unknown
}

export interface OpenApiOperation {
  readonly operationId: string
  readonly parameters: readonly OpenApiParameter[]
  readonly requestBody?: { readonly required: boolean; readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>
  readonly [member: string]: unknown
}

interface OpenApiParameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly description?: string | undefined
  readonly schema: Schema
}

type Content = Readonly<Record<string, { readonly schema: Schema; readonly example?: unknown }>>

/**
 * The OpenAPI 3.1 document of the operations. It is made from the routes themselves and from nothing else, so that it
 * cannot say what is not served.
 */
export function buildOpenApi(operations: readonly Operation[]): OpenApi {
  const sorted = [...operations].sort((a, b) => (a.path === b.path ? 0 : a.path < b.path ? -1 : 1))
  const byPath = Map.groupBy(sorted, operation => operation.path)
  return {
    openapi: '3.1.1',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: 'Ostiary admin API',
      version: API_VERSION,
      description: 'Projects, keys, operator tokens and everything else that lives in the database of a gateway.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://localhost:8401', description: 'The admin listener.' }],
    tags: [...new Set(sorted.map(({ tag }) => tag))].sort().map(name => ({ name })),
    paths: Object.fromEntries(
      [...byPath].map(([path, group]) => [
        path,
        Object.fromEntries(group.map(operation => [operation.method, describe(operation)])),
      ]),
    ),
    components: {
      securitySchemes: {
        operatorToken: {
          type: 'http',
          scheme: 'bearer',
          description: 'An operator token, `so_…`. It must have the scope that the operation names.',
        },
      },
      schemas: { Problem: PROBLEM },
    },
  }
}

/** RFC 9457. */
const PROBLEM: Schema = {
  type: 'object',
  description: 'What went wrong (RFC 9457).',
  properties: {
    type: { type: 'string', description: '`urn:ostiary:problem:` and the code.' },
    title: { type: 'string', description: 'What the code means.' },
    status: { type: 'integer', description: 'The status of the answer.' },
    detail: { type: 'string', description: 'What it was this time.' },
    code: { type: 'string', description: 'The code, by which docs/reference/problems has a page.' },
    request_id: { type: 'string', description: 'Id of the request, as in `x-request-id`.' },
  },
  required: ['type', 'title', 'status', 'code', 'request_id'],
}

function describe(operation: Operation): OpenApiOperation {
  const { id, summary, description, tag, scope, body } = operation
  return {
    operationId: id,
    ...(summary !== undefined && { summary }),
    ...(description !== undefined && { description }),
    tags: [tag],
    'x-ostiary-scope': scope,
    security: scope === null ? [] : [{ operatorToken: scope === 'any' ? [] : [scope] }],
    parameters: listParameters(operation),
    ...(body !== undefined && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: body, example: exampleOf(body, `${id} body`) } },
      },
    }),
    responses: Object.fromEntries(
      [...listAnswers(operation), ...listProblems(operation)].sort(([a], [b]) => (a < b ? -1 : 1)),
    ),
  }
}

const IDEMPOTENCY_KEY: OpenApiParameter = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'Hard to guess, such as a random UUID. The same request with the same key is done once and answered alike for 24 hours.',
  schema: { type: 'string', minLength: 16, maxLength: 128, pattern: '^[\\x21-\\x7e]+$' },
}

const IF_MATCH: OpenApiParameter = {
  name: 'If-Match',
  in: 'header',
  required: false,
  description: 'The `ETag` of what is changed as it was read: if it has changed since, the change is refused.',
  schema: { type: 'string', maxLength: 256 },
}

function listParameters(operation: Operation): OpenApiParameter[] {
  const places = ['path', 'query', 'header'] as const
  const named = places.flatMap(place => {
    const { properties = {}, required = [] } = operation.parameters[place] ?? {}
    return Object.entries(properties).map(
      ([name, { description, ...schema }]): OpenApiParameter => ({
        name,
        in: place,
        required: place === 'path' || required.includes(name),
        ...(description !== undefined && { description }),
        schema,
      }),
    )
  })
  if ((operation.problems as readonly string[]).includes('admin.precondition_failed')) named.push(IF_MATCH)
  return takesIdempotencyKey(operation) ? [...named, IDEMPOTENCY_KEY] : named
}

function takesIdempotencyKey({ method, scope }: Operation): boolean {
  return method === 'post' && scope !== null
}

function listAnswers({ id, answers }: Operation): [string, object][] {
  return Object.entries(answers).map(([status, schema]) => {
    const description = schema.description ?? (Number(status) < 300 ? 'Done.' : 'Not now.')
    // Said by its type alone: nothing is sent, or no JSON.
    if (schema.type === 'null') return [status, { description }]
    const type = typeof schema['x-content-type'] === 'string' ? schema['x-content-type'] : 'application/json'
    const content: Record<string, object> = { [type]: { schema, example: exampleOf(schema, `${id} ${status}`) } }
    const csv = schema['x-csv-example']
    if (csv !== undefined) content['text/csv'] = { schema: { type: 'string' }, example: csv }
    return [status, { description, content }]
  })
}

/** One answer for each status; `x-ostiary-problems` names the codes that it may carry. */
function listProblems(operation: Operation): [string, object][] {
  const codes = [...new Set([...generalProblems(operation), ...operation.problems])].sort()
  const byStatus = Map.groupBy(codes, code => String(problemTypes[code].status))
  return [...byStatus]
    .filter(([status]) => operation.answers[status] === undefined)
    .map(([status, group]) => [
      status,
      {
        description: group.map(code => `${problemTypes[code].title} (\`${code}\`).`).join(' '),
        'x-ostiary-problems': group,
        content: {
          'application/problem+json': {
            schema: { $ref: '#/components/schemas/Problem' },
            example: exampleProblem(group),
          },
        },
      },
    ])
}

function generalProblems(operation: Operation): ProblemCode[] {
  const codes: ProblemCode[] = ['admin.host_refused', 'admin.invalid_input', 'gateway.internal']
  if (operation.scope === null) return codes
  codes.push('admin.unauthorized', 'admin.too_many_failures', 'store.unavailable')
  if (operation.scope !== 'any') codes.push('admin.forbidden')
  if (operation.method !== 'get') codes.push('request.too_large', 'request.unsupported_media_type')
  if (takesIdempotencyKey(operation)) codes.push('admin.idempotency_in_flight', 'admin.idempotency_mismatch')
  return codes
}

function exampleProblem([code]: readonly ProblemCode[]): object {
  const { title, status } = problemTypes[code as ProblemCode]
  return { type: `urn:ostiary:problem:${code}`, title, status, code, request_id: 'req_01kd5e7m3v9qwhc4t2x8r6b0zn' }
}
