import Type from 'typebox'
import { Problem } from '#core/problems.ts'

/** A time (RFC 3339). */
export const time = (description: string) =>
  Type.String({
    pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,3})?(Z|[+-]\\d\\d:\\d\\d)$',
    maxLength: 40,
    description,
    examples: ['2026-01-31T12:00:00Z'],
  })

/** The same in a query, as an optional member. */
export const timeQuery = (description: string) => Type.Optional(time(description))

/** In ms since the epoch. Throws `admin.invalid_input` for a day or an hour that there is not. */
export function readTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw new Problem('admin.invalid_input', { detail: `${text} is not a time.` })
  return ms
}
