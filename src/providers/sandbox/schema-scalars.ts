export type Keywords = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is Keywords {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The type a schema asks for, in lower case (Gemini writes `OBJECT`), else the one its keywords speak of. */
export function typeOf(schema: Keywords): string {
  const { type } = schema
  if (typeof type === 'string') return type.toLowerCase()
  if (Array.isArray(type)) return String(type.find(name => name !== 'null') ?? 'null').toLowerCase()
  if ('properties' in schema || 'required' in schema) return 'object'
  if ('items' in schema || 'prefixItems' in schema || 'minItems' in schema) return 'array'
  if (['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'].some(name => name in schema))
    return 'number'
  return 'string'
}

const formats: Readonly<Record<string, string>> = {
  'date-time': '2026-01-01T00:00:00Z',
  date: '2026-01-01',
  time: '00:00:00Z',
  duration: 'PT1S',
  email: 'sandbox@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
}

const MAX_TEXT = 1000

/** A text of the format or length asked for. */
export function textInstance(schema: Keywords): string {
  if (typeof schema.format === 'string' && Object.hasOwn(formats, schema.format))
    return formats[schema.format] as string
  const min = Math.min(limit(schema.minLength) ?? 0, MAX_TEXT)
  return 'sandbox'.padEnd(min, '.').slice(0, limit(schema.maxLength) ?? MAX_TEXT)
}

/** The lowest number allowed, 0 if there is no lower bound and 0 is allowed, else the highest. `step` 1 = whole numbers, 0 = any. */
export function numberInstance(schema: Keywords, step: 0 | 1): number {
  const multiple = limit(schema.multipleOf) ?? step
  const low = bound(limit(schema.minimum), limit(schema.exclusiveMinimum), 1)
  const high = bound(limit(schema.maximum), limit(schema.exclusiveMaximum), -1)
  if (low === undefined && (high === undefined || high.value > 0 || (high.value === 0 && !high.open))) return 0
  const from = (low ?? high) as Bound
  const inward = low === undefined ? -1 : 1
  if (multiple > 0) {
    const nearest = inward * Math.ceil((inward * from.value) / multiple) * multiple + 0
    return from.open && nearest === from.value ? nearest + inward * multiple : nearest
  }
  if (!from.open) return from.value
  return low !== undefined && high !== undefined ? (low.value + high.value) / 2 : from.value + inward
}

interface Bound {
  readonly value: number
  /** The value itself is not allowed. */
  readonly open: boolean
}

/** The tighter of a closed and an open bound; `inward` is the direction of what is allowed. */
function bound(closed: number | undefined, open: number | undefined, inward: 1 | -1): Bound | undefined {
  if (open !== undefined && (closed === undefined || inward * open >= inward * closed))
    return { value: open, open: true }
  return closed === undefined ? undefined : { value: closed, open: false }
}

/** A numeric keyword; Gemini writes 64-bit integers as text. */
function limit(value: unknown): number | undefined {
  const number = typeof value === 'string' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}
