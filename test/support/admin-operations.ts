import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import type { OpenApi, OpenApiOperation } from '#admin/openapi.ts'
import type { Schema } from '#admin/operation.ts'
import { ask, type Reply } from './gateway.ts'

/** An operation of the served document. */
export interface Described {
  readonly path: string
  readonly method: string
  readonly id: string
  readonly tag: string
  readonly scope: string
  readonly operation: OpenApiOperation
  readonly body: Schema | undefined
  readonly bodyExample: Record<string, unknown> | undefined
}

/** All but those that are open to anyone. */
export function listOperations(document: OpenApi): Described[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) => {
      const scope = operation['x-ostiary-scope']
      if (typeof scope !== 'string') return []
      const content = operation.requestBody?.content['application/json']
      return [
        {
          path,
          method: method.toUpperCase(),
          id: operation.operationId,
          tag: String((operation.tags as string[])[0]),
          scope,
          operation,
          body: content?.schema,
          bodyExample: content?.example as Record<string, unknown> | undefined,
        },
      ]
    }),
  )
}

/** What is sent; everything else is as it should be. */
export interface Sent {
  readonly token: string | null
  readonly path: string
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Text of the body; undefined = none. */
  readonly body?: string | undefined
}

export function send(adminUrl: string, method: string, sent: Sent): Promise<Reply> {
  return ask(`${adminUrl}${sent.path}${sent.query === undefined ? '' : `?${sent.query}`}`, {
    method,
    headers: {
      ...(sent.token !== null && { authorization: `Bearer ${sent.token}` }),
      ...(sent.body !== undefined && {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(sent.body)),
      }),
      ...sent.headers,
    },
    body: sent.body ?? '',
  })
}

/** What is written by itself: counts of what was refused, signatures over the chains. */
const BY_ITSELF = new Set(['audit_decisions', 'audit_checkpoints'])

/** A hash of all that the database holds, but for what is written by itself. */
export function hashDatabase(file: string): string {
  using database = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  const hash = createHash('sha256')
  const tables = database.prepare("select name from sqlite_schema where type = 'table' order by name").all()
  for (const { name } of tables as { name: string }[]) {
    if (BY_ITSELF.has(name)) continue
    hash.update(JSON.stringify([name, database.prepare(`select * from "${name}"`).all()]))
  }
  return hash.digest('hex')
}

/** One thing wrong with an otherwise good request. */
export interface Fault {
  readonly what: string
  readonly status: readonly number[]
  /** Of the body's text. */
  readonly body?: string
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Values of path parameters. */
  readonly path?: Readonly<Record<string, string>>
}

const LONG = 'x'.repeat(5000)
/** One of each type that JSON knows, and what programs confuse with them. */
const WRONG: readonly unknown[] = [
  null,
  true,
  42,
  -1,
  1.5,
  1e300,
  'x',
  '',
  '42',
  LONG,
  [],
  [{}],
  {},
  { a: 1 },
  ['x', 'x'],
]

/** All that can be wrong with the input of an operation, from its schemas. `fits` judges a value by a schema. */
export function listFaults(operation: Described, fits: (schema: Schema, value: unknown) => boolean): Fault[] {
  return [...bodyFaults(operation, fits), ...parameterFaults(operation, fits)]
}

function bodyFaults(
  { body, bodyExample, method }: Described,
  fits: (schema: Schema, value: unknown) => boolean,
): Fault[] {
  if (method === 'GET') return []
  const status = [400]
  const faults: Fault[] = [
    { what: 'a body that is no JSON', status, body: '{' },
    { what: 'a body that is an array', status, body: '[]' },
    { what: 'a body nested too deeply', status, body: `{"a":${'['.repeat(200)}${']'.repeat(200)}}` },
    { what: 'a member twice', status, body: '{"name":"a","name":"b"}' },
    { what: '__proto__', status, body: '{"__proto__":{"name":"a"}}' },
    { what: 'an unknown member', status, body: JSON.stringify({ ...bodyExample, surprise: 1 }) },
    {
      what: 'another type',
      status: [415],
      body: 'a=b',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    },
    { what: 'a body too large', status: [413], body: JSON.stringify({ ...bodyExample, name: 'x'.repeat(20_000_000) }) },
  ]
  if (body === undefined || bodyExample === undefined) return faults
  for (const name of body.required ?? []) {
    const { [name]: _, ...rest } = bodyExample
    faults.push({ what: `no ${name}`, status, body: JSON.stringify(rest) })
  }
  for (const [name, schema] of Object.entries(body.properties ?? {})) {
    for (const value of WRONG) {
      if (fits(schema, value)) continue
      const text = JSON.stringify({ ...bodyExample, [name]: value })
      faults.push({ what: `${name}: ${JSON.stringify(value).slice(0, 40)}`, status, body: text })
    }
  }
  return faults
}

function parameterFaults({ operation, path }: Described, fits: (schema: Schema, value: unknown) => boolean): Fault[] {
  const faults: Fault[] = [{ what: 'an unknown query parameter', status: [400], query: 'surprise=1' }]
  for (const { name, in: place, schema } of operation.parameters) {
    if (name === 'Idempotency-Key') {
      for (const key of ['short', 'has a space in it', 'x'.repeat(129)]) {
        faults.push({ what: `idempotency key ${key.slice(0, 20)}`, status: [400], headers: { 'idempotency-key': key } })
      }
    }
    if (name === 'If-Match') faults.push({ what: 'a stale ETag', status: [412], headers: { 'if-match': '"stale"' } })
    for (const value of ['', 'x y', '-1', '1e9', '0', LONG, 'ключ', '%00', '../x']) {
      const number = schema.type === 'integer' && value.trim() !== '' ? Number(value) : value
      if (fits(schema, number) || fits(schema, value)) continue
      const encoded = encodeURIComponent(value)
      if (place === 'query')
        faults.push({ what: `${name}=${value.slice(0, 20)}`, status: [400], query: `${name}=${encoded}` })
      // A long or empty one is another path.
      if (place === 'path' && value !== '' && path.includes(`{${name}}`)) {
        faults.push({ what: `${name} ${value.slice(0, 20)}`, status: [400, 404], path: { [name]: encoded } })
      }
    }
    if (place === 'query') faults.push({ what: `${name} twice`, status: [400], query: `${name}=1&${name}=2` })
  }
  return faults
}
