import type { RouteOptions } from 'fastify'
import type { AdminScope } from '#core/operator.ts'
import type { ProblemCode } from '#core/problems.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the operator must be allowed for this operation; `any` = whatever a valid token allows. */
    scope?: AdminScope | 'any'
    /** Problems of the operation itself, beside those that every operation can answer. */
    problems?: readonly ProblemCode[]
    /** Set by `describeOperation`. */
    operationId?: string
  }
}

/** JSON Schema (draft 2020-12), which TypeBox makes and which OpenAPI 3.1 takes as it is. */
export interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly description?: string
  readonly [keyword: string]: unknown
}

/** One operation as its route says it. */
export interface Operation {
  readonly id: string
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** With parameters as `{name}`. */
  readonly path: string
  readonly tag: string
  readonly summary: string | undefined
  readonly description: string | undefined
  /** null = open to anyone who reaches the listener. */
  readonly scope: AdminScope | 'any' | null
  readonly problems: readonly ProblemCode[]
  readonly parameters: Readonly<Record<'path' | 'query' | 'header', Schema | undefined>>
  readonly body: Schema | undefined
  /** By status. */
  readonly answers: Readonly<Record<string, Schema>>
}

/** Reads a route and gives it its id, which other hooks find in its `config`. */
export function describeOperation(route: RouteOptions): Operation {
  const schema = (route.schema ?? {}) as Record<string, unknown>
  const method = String(route.method).toLowerCase() as Operation['method']
  const id = (schema.operationId as string | undefined) ?? nameOperation(method, route.url)
  route.config = Object.assign(route.config ?? {}, { operationId: id })
  return {
    id,
    method,
    path: route.url.replace(/:(\w+)/g, '{$1}'),
    tag: tagOf(route.url),
    summary: schema.summary as string | undefined,
    description: schema.description as string | undefined,
    scope: route.config.scope ?? null,
    problems: route.config.problems ?? [],
    parameters: {
      path: schema.params as Schema | undefined,
      query: schema.querystring as Schema | undefined,
      header: schema.headers as Schema | undefined,
    },
    body: schema.body as Schema | undefined,
    answers: (schema.response ?? {}) as Record<string, Schema>,
  }
}

const VERBS = { get: 'List', post: 'Create', put: 'Set', patch: 'Update', delete: 'Delete' } as const

/** `POST /api/keys` → `keysCreate`, `GET /api/keys/:id` → `keysShow`, `POST /api/keys/:id/revoke` → `keysRevoke`. */
function nameOperation(method: Operation['method'], url: string): string {
  const parts = staticParts(url)
  const isAction = parts.length > 1 && (method === 'get' || method === 'post')
  const verb = isAction ? '' : method === 'get' && url.includes(':') ? 'Show' : VERBS[method]
  return toCamelCase([...parts, verb])
}

function tagOf(url: string): string {
  const [first = ''] = staticParts(url)
  return first === 'healthz' || first === 'readyz' ? 'health' : (first.split('.')[0] ?? '')
}

function staticParts(url: string): string[] {
  return url.split('/').filter((part, i) => part !== '' && !part.startsWith(':') && !(i === 1 && part === 'api'))
}

function toCamelCase(words: readonly string[]): string {
  const joined = words.join('-').replace(/[^a-zA-Z0-9]+(.?)/g, (_, letter: string) => letter.toUpperCase())
  return `${joined[0]?.toLowerCase() ?? ''}${joined.slice(1)}`
}
