import type { RateStanding, Standing } from '#limits/standing.ts'
import type { ProblemFormat } from './routes.ts'

const NONE: readonly string[] = []

/**
 * What the caller may still do, as names and values: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers)
 * for every limit, and the headers that clients of the route's format know, for the tightest one of each unit.
 * `now` in ms since the epoch.
 */
export function limitHeaders(
  format: ProblemFormat,
  ticket: { standing(): Standing } | null,
  now: number,
): readonly string[] {
  if (ticket === null) return NONE
  const { rates } = ticket.standing()
  if (rates.length === 0) return NONE
  const headers = [
    'ratelimit-policy',
    rates.map(policyOf).join(', '),
    'ratelimit',
    rates.map(serviceLimitOf).join(', '),
  ]
  if (format === 'openai') pushOpenai(headers, rates)
  if (format === 'anthropic') pushAnthropic(headers, rates, now)
  return headers
}

/** A limit of anything but requests says its unit in a parameter of ours: the draft registers none for tokens. */
function policyOf({ name, unit, limit, windowSeconds }: RateStanding): string {
  const quota = `"${name}";q=${limit};w=${windowSeconds}`
  return unit === 'requests' ? quota : `${quota};ostiary-unit="${unit}"`
}

function serviceLimitOf({ name, remaining, resetSeconds }: RateStanding): string {
  return `"${name}";r=${remaining};t=${resetSeconds}`
}

/** The one that will refuse first: least left of its amount. */
function tightest(rates: readonly RateStanding[], units: readonly string[]): RateStanding | undefined {
  return rates
    .filter(({ unit }) => units.includes(unit))
    .reduce<RateStanding | undefined>(
      (least, rate) =>
        least === undefined || rate.remaining / rate.limit < least.remaining / least.limit ? rate : least,
      undefined,
    )
}

function pushOpenai(headers: string[], rates: readonly RateStanding[]): void {
  for (const [name, units] of [
    ['requests', ['requests']],
    ['tokens', ['tokens', 'input_tokens', 'output_tokens']],
  ] as const) {
    const rate = tightest(rates, units)
    if (rate === undefined) continue
    headers.push(
      `x-ratelimit-limit-${name}`,
      String(rate.limit),
      `x-ratelimit-remaining-${name}`,
      String(rate.remaining),
    )
    headers.push(`x-ratelimit-reset-${name}`, durationOf(rate.resetSeconds))
  }
}

function pushAnthropic(headers: string[], rates: readonly RateStanding[], now: number): void {
  for (const unit of ['requests', 'tokens', 'input_tokens', 'output_tokens']) {
    const rate = tightest(rates, [unit])
    if (rate === undefined) continue
    const name = `anthropic-ratelimit-${unit.replace('_', '-')}`
    headers.push(`${name}-limit`, String(rate.limit), `${name}-remaining`, String(rate.remaining))
    headers.push(`${name}-reset`, `${new Date(now + rate.resetSeconds * 1000).toISOString().slice(0, 19)}Z`)
  }
}

/** As OpenAI writes it: `1h2m3s`. */
function durationOf(seconds: number): string {
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${seconds % 60}s`
}
