import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import { Problem } from '#core/problems.ts'
import { parseStrictJson } from '#http/strict-json.ts'

const MAX_JSON_DEPTH = 32

/** The one content type is JSON, read strictly: no member twice, no `__proto__`, no deep nesting. */
export function readStrictJson(server: FastifyInstance): void {
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (_request: unknown, body: Buffer) => {
    try {
      return parseStrictJson(body, MAX_JSON_DEPTH).value
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      throw new Problem('admin.invalid_input', { detail: error.detail ?? `${error.title}.`, cause: error })
    }
  })
}

interface InputSchemas {
  body?: unknown
  querystring?: unknown
  params?: unknown
}

/**
 * Refuses, when the server is made, an operation that would let unknown members of its input pass: a misspelt one would
 * silently do nothing. An operation that names no query takes none.
 */
export function requireStrictInput(route: Pick<RouteOptions, 'url' | 'schema'>): void {
  const schema = (route.schema ?? {}) as InputSchemas
  schema.querystring ??= { type: 'object', properties: {}, additionalProperties: false }
  for (const [place, value] of [
    ['body', schema.body],
    ['query', schema.querystring],
  ] as const) {
    const open = findOpenObject(value, place)
    if (open !== null) throw new TypeError(`${route.url}: ${open} lets unknown members pass`)
  }
}

/** Where an object does not say what else it may have; null = nowhere. */
function findOpenObject(schema: unknown, place: string): string | null {
  if (typeof schema !== 'object' || schema === null) return null
  const { properties, additionalProperties, patternProperties, items, anyOf, allOf } = schema as Record<string, unknown>
  const says = additionalProperties ?? patternProperties ?? allOf ?? true
  if (properties !== undefined && says === true) return place
  const inner: [string, unknown][] = [
    ...Object.entries(properties ?? {}).map(([name, member]): [string, unknown] => [`${place}.${name}`, member]),
    ...[anyOf, allOf].flat().map((branch): [string, unknown] => [place, branch]),
    [`${place}[]`, items],
  ]
  for (const [where, member] of inner) {
    const open = findOpenObject(member, where)
    if (open !== null) return open
  }
  return null
}

/** An operation without a body schema takes none, or an empty object. */
export async function refuseUnwantedBody(request: FastifyRequest): Promise<void> {
  const { body } = request
  if (request.routeOptions.schema?.body !== undefined || typeof body !== 'object' || body === null) return
  const [name] = Object.keys(body)
  if (name !== undefined) {
    throw new Problem('admin.invalid_input', {
      detail: `body has the unknown member ${JSON.stringify(name)}: the operation takes none.`,
    })
  }
}
