import { parseArgs } from 'node:util'
import { Problem } from '#core/problems.ts'

/** Throws `cli.usage` for what the options do not know. */
export function parse<const O extends NonNullable<Parameters<typeof parseArgs>[0]>['options']>(
  args: string[],
  options: O,
  allowPositionals = false,
) {
  try {
    return parseArgs({ args, options: options as O & {}, allowPositionals })
  } catch (cause) {
    throw new Problem('cli.usage', { detail: (cause as Error).message, cause })
  }
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** `30d`, `12h`, `15m`, `90s`; null = `never`. Throws `cli.usage` in the name of the option. */
export function toSeconds(option: string, text: string): number | null {
  if (text === 'never') return null
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (unit === undefined) throw new Problem('cli.usage', { detail: `${option} ${text}: write 30d, 12h, 15m or never.` })
  return Number(count) * (UNIT_SECONDS[unit] as number)
}

/** `2026-01-31` or `2026-01-31T12:00:00Z`, as ms since the epoch. Throws `cli.usage` in the name of the option. */
export function readTime(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  // Without a zone it would mean another time on another machine.
  const iso = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/
  const ms = iso.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) {
    throw new Problem('cli.usage', { detail: `${option} ${text}: write 2026-01-31 or 2026-01-31T12:00:00Z.` })
  }
  return ms
}
