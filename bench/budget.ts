import { boundedCalls } from './bounded-calls.ts'
import { provenCalls } from './dpop.ts'
import type { FloodLatency } from './flood-latency.ts'
import { floods } from './floods.ts'
import { cpuRatio, findRow, median } from './measure.ts'
import { policyCalls } from './policies.ts'
import type { Results } from './results.ts'
import { storedKeys } from './stored-keys.ts'
import { tokenCalls } from './tokens.ts'

export interface BudgetLine {
  readonly budget: string
  readonly measured: string
  /** null = could not be measured in this run. */
  readonly met: boolean | null
}

/** What the product promises, beside what this run measured. */
export function judge(results: Results): BudgetLine[] {
  const { soak, audit, limits, decisions, recordingMicros, startUpMs, mintedPerSecond } = results
  const decision = limits?.find(({ limits, threads }) => limits === 1 && threads === 1)?.microsPerDecision
  return [
    atMost('2 KB call ≤ 3.5 × HAProxy CPU', ratio(results, '2 KB', 'ostiary', 'haproxy'), 3.5),
    atLeast('2 KB call ≥ 8 × less CPU than Portkey', ratio(results, '2 KB', 'portkey', 'ostiary'), 8),
    atMost('p99 of good keys in a flood of bad ones ≤ 2 × without', floodRatio(results.floodLatency), 2),
    atMost('made-up key ≤ 1.3 × bare node:http answer', ratio(results, floods.madeUp, 'ostiary', 'bare-node'), 1.3),
    {
      budget: 'RSS ≤ 250 MB with two workers, flat',
      measured: soak === undefined ? '–' : `at most ${soak.max.toFixed(0)} MB, ${soak.flat ? 'flat' : 'growing'}`,
      met: soak === undefined ? null : soak.max <= 250 && soak.flat,
    },
    atMost(
      'call with 10,000 active keys of 1,000,000 ≤ 1.1 × CPU with 10',
      ratio(results, storedKeys.load, storedKeys.many, storedKeys.few),
      1.1,
    ),
    atMost(
      'call under ten limits and a budget ≤ 1.1 × CPU without',
      ratio(results, boundedCalls.load, boundedCalls.all, boundedCalls.none),
      1.1,
    ),
    atMost(
      'call with a token that is cached ≤ 1.1 × CPU with a key',
      ratio(results, tokenCalls.load, tokenCalls.cached, tokenCalls.key),
      1.1,
    ),
    microsMore(
      'token (RS256) that is not cached ≤ 200 µs CPU more',
      results,
      tokenCalls.load,
      [tokenCalls.uncached, tokenCalls.key],
      200,
    ),
    microsMore(
      'proof of possession (DPoP, ES256) ≤ 250 µs CPU more',
      results,
      provenCalls.load,
      [provenCalls.proven, provenCalls.borne],
      250,
    ),
    atMost(
      'p99 of good tokens in a flood of unknown key ids ≤ 2 × without',
      floodRatio(results.tokenFlood?.latency),
      2,
    ),
    {
      budget: 'audit in batches ≤ 8 µs CPU a call',
      measured: recordingMicros === undefined ? '–' : `${median(recordingMicros).toFixed(1)} µs`,
      met: recordingMicros === undefined ? null : median(recordingMicros) <= 8,
    },
    {
      budget: 'audit verify ≥ 200,000 events/s',
      measured: audit === undefined ? '–' : `${audit.verifiedPerSecond.toFixed(0)} events/s`,
      met: audit === undefined ? null : audit.verifiedPerSecond >= 200_000,
    },
    {
      budget: 'decision of a request rate ≤ 1 µs',
      measured: decision === undefined ? '–' : `${decision.toFixed(2)} µs`,
      met: decision === undefined ? null : decision <= 1,
    },
    microsAtMost('decision by policies that is remembered ≤ 2 µs', decisions?.cached, 2),
    microsAtMost('decision by a policy about address and time ≤ 120 µs', decisions?.uncached, 120),
    atMost(
      'call with a remembered decision ≤ 1.05 × CPU without policies',
      ratio(results, policyCalls.load, policyCalls.cached, policyCalls.without),
      1.05,
    ),
    microsMore(
      'call with a policy about address and time ≤ 120 µs CPU more than without policies',
      results,
      policyCalls.load,
      [policyCalls.uncached, policyCalls.without],
      120,
    ),
    {
      budget: 'start to first answer ≤ 1.5 s',
      measured: startUpMs === undefined ? '–' : `${(median(startUpMs) / 1000).toFixed(2)} s`,
      met: startUpMs === undefined ? null : median(startUpMs) <= 1500,
    },
    {
      budget: 'minting ≥ 500 keys/s through the API',
      measured: mintedPerSecond === undefined ? '–' : `${median(mintedPerSecond).toFixed(0)} keys/s`,
      met: mintedPerSecond === undefined ? null : median(mintedPerSecond) >= 500,
    },
  ]
}

function ratio({ rows }: Results, load: string, peer: string, to: string): number | undefined {
  const row = findRow(rows, load, peer)
  const other = findRow(rows, load, to)
  return row && other && cpuRatio(row, other)
}

/** Median over the rounds of what a call of the first takes more than one of the second in the same round. */
function microsMore(
  budget: string,
  { rows }: Results,
  load: string,
  [first, second]: readonly [string, string],
  bound: number,
): BudgetLine {
  const [row, other] = [findRow(rows, load, first), findRow(rows, load, second)]
  if (row === undefined || other === undefined) return { budget, measured: '–', met: null }
  const more = row.rounds.map((each, i) => each.cpuMicrosPerCall - (other.rounds[i]?.cpuMicrosPerCall ?? Number.NaN))
  return { budget, measured: `${median(more).toFixed(0)} µs`, met: median(more) <= bound }
}

function floodRatio(floodLatency: FloodLatency | undefined): number | undefined {
  if (floodLatency === undefined) return undefined
  const { rounds } = floodLatency
  // A call that failed took for ever.
  if (rounds.some(({ flooded }) => flooded.failures > 0)) return Number.POSITIVE_INFINITY
  return median(rounds.map(({ quiet, flooded }) => flooded.p99Ms / quiet.p99Ms))
}

function microsAtMost(budget: string, micros: number | undefined, bound: number): BudgetLine {
  if (micros === undefined) return { budget, measured: '–', met: null }
  return { budget, measured: `${micros.toFixed(2)} µs`, met: micros <= bound }
}

function atMost(budget: string, measured: number | undefined, bound: number): BudgetLine {
  return { budget, measured: times(measured), met: measured === undefined ? null : measured <= bound }
}

function atLeast(budget: string, measured: number | undefined, bound: number): BudgetLine {
  return { budget, measured: times(measured), met: measured === undefined ? null : measured >= bound }
}

function times(value: number | undefined): string {
  return value === undefined ? '–' : `${value.toFixed(2)} ×`
}
