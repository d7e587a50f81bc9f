import type { Schema } from './operation.ts'

/**
 * A value that fits a schema: what the schema itself gives as `examples` or `default`, else the plainest one. Throws
 * where only a person can tell, such as at a pattern: the schema must then have `examples`.
 */
export function exampleOf(schema: Schema, place = 'value'): unknown {
  const { examples, anyOf, allOf } = schema as { examples?: unknown[]; anyOf?: Schema[]; allOf?: Schema[] }
  if (examples?.[0] !== undefined) return examples[0]
  if ('default' in schema) return schema.default
  if ('const' in schema) return schema.const
  if (Array.isArray(schema.enum)) return schema.enum[0]
  if (anyOf?.[0] !== undefined) return exampleOf(anyOf[0], place)
  if (allOf !== undefined) return Object.assign({}, ...allOf.map(branch => exampleOf(branch, place)))
  switch (schema.type) {
    case 'object':
      return exampleObject(schema, place)
    case 'array':
      return schema.items === undefined ? [] : [exampleOf(schema.items, `${place}[]`)]
    case 'string':
      return exampleText(schema, place)
    case 'integer':
    case 'number':
      return schema.minimum ?? 1
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      throw new TypeError(`${place}: give its schema \`examples\``)
  }
}

function exampleObject({ properties = {} }: Schema, place: string): object {
  return Object.fromEntries(
    Object.entries(properties).map(([name, member]) => [name, exampleOf(member, `${place}.${name}`)]),
  )
}

const ID = /^\^([a-z]+)_\[0-9a-z\]\{26\}\$$/
const TIME = '2026-01-31T12:00:00.000Z'

function exampleText(schema: Schema, place: string): string {
  const name = place.split('.').at(-1) ?? ''
  const prefix = typeof schema.pattern === 'string' ? ID.exec(schema.pattern)?.[1] : undefined
  if (prefix !== undefined) return `${prefix}_01kd5e7m3v9qwhc4t2x8r6b0zn`
  if (schema.pattern !== undefined) throw new TypeError(`${place}: give its schema \`examples\``)
  if (schema.format === 'date-time' || name.endsWith('_at')) return TIME
  return 'text'
}
