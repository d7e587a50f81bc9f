import { Problem } from '#core/problems.ts'
import { type UsageDimension, type UsageQuery, type UsageSpan, usageDimensions, usageSpans } from '#store/usage-port.ts'

const words = [...usageDimensions, ...usageSpans].join('|')

/** Names with commas between. */
export const GROUPING_PATTERN = `^(?:${words})(?:,(?:${words})){0,${usageDimensions.length}}$`

/** What `by` asks to tell apart, in its order. Throws `admin.invalid_input` for a name twice, and for two spans of time. */
export function readGrouping(text: string): Pick<UsageQuery, 'by' | 'span'> {
  const names = text.split(',') as (UsageDimension | UsageSpan)[]
  const span = names.find(isSpan)
  const by = names.map(name => (isSpan(name) ? 'time' : name))
  if (new Set(by).size === by.length) return { by, span }
  throw new Problem('admin.invalid_input', { detail: '`by` takes each name once, and one of hour, day and month.' })
}

function isSpan(name: UsageDimension | UsageSpan): name is UsageSpan {
  return (usageSpans as readonly string[]).includes(name)
}

/** Where a page ended, as text for the next one. */
export function writeCursor(group: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(group)).toString('base64url')
}

/** Throws `admin.invalid_input` for what no page with the same `by` has ended with. */
export function readCursor(text: string, by: UsageQuery['by']): readonly (string | number)[] {
  const group = parse(Buffer.from(text, 'base64url').toString())
  if (Array.isArray(group) && group.length === by.length && by.every((name, i) => fits(name, group[i]))) return group
  throw new Problem('admin.invalid_input', { detail: '`after` is not the `next` of a page with the same `by`.' })
}

function fits(name: UsageQuery['by'][number], value: unknown): boolean {
  if (name === 'time') return Number.isSafeInteger(value)
  return typeof value === 'string' && value.isWellFormed() && !value.includes('\0')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
