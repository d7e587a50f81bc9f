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
  const [first, ...others] = rates
  if (first === undefined) return NONE
  let policies = first.policy
  let standing = itemOf(first)
  for (const rate of others) {
    policies += `, ${rate.policy}`
    standing += `, ${itemOf(rate)}`
  }
  const headers = ['ratelimit-policy', policies, 'ratelimit', standing]
  if (format === 'openai') pushOpenai(headers, rates)
  if (format === 'anthropic') pushAnthropic(headers, rates, now)
  return headers
}

function itemOf({ name, remaining, resetSeconds }: RateStanding): string {
  return `"${name}";r=${remaining};t=${resetSeconds}`
}

/** The one that will refuse first: least left of its amount. */
function tightest(rates: readonly RateStanding[], fits: (unit: string) => boolean): RateStanding | undefined {
  let least: RateStanding | undefined
  for (const rate of rates) {
    if (!fits(rate.unit)) continue
    if (least === undefined || rate.remaining / rate.limit < least.remaining / least.limit) least = rate
  }
  return least
}

const isRequests = (unit: string) => unit === 'requests'

function pushOpenai(headers: string[], rates: readonly RateStanding[]): void {
  pushOpenaiOf(headers, 'requests', tightest(rates, isRequests))
  pushOpenaiOf(
    headers,
    'tokens',
    tightest(rates, unit => !isRequests(unit)),
  )
}

function pushOpenaiOf(headers: string[], what: 'requests' | 'tokens', rate: RateStanding | undefined): void {
  if (rate === undefined) return
  headers.push(`x-ratelimit-limit-${what}`, String(rate.limit), `x-ratelimit-remaining-${what}`, String(rate.remaining))
  headers.push(`x-ratelimit-reset-${what}`, durationOf(rate.resetSeconds))
}

const anthropicUnits = ['requests', 'tokens', 'input_tokens', 'output_tokens'] as const

function pushAnthropic(headers: string[], rates: readonly RateStanding[], now: number): void {
  for (const unit of anthropicUnits) {
    const rate = tightest(rates, other => other === unit)
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
