import { cpus } from 'node:os'
import type { AuditFigures } from './audit.ts'
import type { BudgetLine } from './budget.ts'
import type { FloodLatency } from './flood-latency.ts'
import type { LimitFigures } from './limits.ts'
import { cpuRatio, type Duration, type Figures, findRow, median, type Row } from './measure.ts'
import type { PolicyFigures } from './policies.ts'
import type { SoakResult } from './soak.ts'
import type { TokenFlood } from './tokens.ts'

export interface Results {
  readonly duration: Duration
  readonly versions: ReadonlyMap<string, string>
  /** Names of those that are not installed, and of parts left out. */
  readonly skipped: readonly string[]
  readonly rows: readonly Row[]
  readonly floodLatency: FloodLatency | undefined
  readonly tokenFlood: TokenFlood | undefined
  readonly soak: SoakResult | undefined
  readonly audit: AuditFigures | undefined
  readonly limits: readonly LimitFigures[] | undefined
  readonly decisions: PolicyFigures | undefined
  /** CPU time of recording an event in batches, µs, each round. */
  readonly recordingMicros: readonly number[] | undefined
  readonly startUpMs: readonly number[] | undefined
  /** Keys minted a second, each round. */
  readonly mintedPerSecond: readonly number[] | undefined
}

/** Everything as one Markdown page, aligned so that it reads well on a console too. */
export function renderResults(results: Results, budget: readonly BudgetLine[]): string {
  const { duration, rows } = results
  const loads = [...new Set(rows.map(row => row.load))]
  return [
    '# Benchmark results',
    `Written by \`npm run bench\`. ${cpus().length} CPUs, Node ${process.version}; ${versions(results)}.`,
    `Each figure is the median of ${duration.rounds} interleaved runs of ${duration.seconds} s after ` +
      `${duration.warmUpSeconds} s of warm-up, with 32 connections. Each peer has one core (\`ostiary (all cores)\`: all); ` +
      'load generator and upstream share the second. CPU time a call is the figure to compare: calls a second and ' +
      'latency also depend on how busy that second core is. `÷ haproxy` and `÷ portkey` are ratios of CPU time.',
    ...(results.skipped.length === 0 ? [] : [`Not measured: ${results.skipped.join(', ')}.`]),
    '## Budget',
    table(
      ['budget', 'measured', ''],
      budget.map(({ budget, measured, met }) => [budget, measured, verdict(met)]),
    ),
    'What keeps a line from being met: [distance.md](distance.md).',
    ...loads.flatMap(load => [`## ${load[0]?.toUpperCase()}${load.slice(1)}`, loadTable(rows, load)]),
    ...memoryAndStart(results),
    '',
  ].join('\n\n')
}

function versions(results: Results): string {
  return [...results.versions].map(([name, version]) => `${name} ${version}`).join(', ')
}

function verdict(met: boolean | null): string {
  return met === null ? 'not measured' : met ? 'met' : '**not met**'
}

function loadTable(rows: readonly Row[], load: string): string {
  const heads = [
    '',
    'CPU µs/call',
    '÷ haproxy',
    '÷ portkey',
    '÷ bare-node',
    'calls/s',
    'p50 ms',
    'p99 ms',
    'RSS MB',
    'peak MB',
  ]
  const lines = rows
    .filter(row => row.load === load)
    .map(row => [
      row.peer,
      figure(row, 'cpuMicrosPerCall', 1),
      ...['haproxy', 'portkey', 'bare-node'].map(peer => ratioTo(row, findRow(rows, load, peer))),
      figure(row, 'callsPerSecond', 0),
      figure(row, 'p50Ms', 2),
      figure(row, 'p99Ms', 2),
      figure(row, 'rssMb', 0),
      figure(row, 'peakMb', 0),
    ])
  return table(heads, lines)
}

function figure(row: Row, name: keyof Figures, digits: number): string {
  return median(row.rounds.map(each => each[name])).toFixed(digits)
}

function ratioTo(row: Row, other: Row | undefined): string {
  return other === undefined ? '–' : cpuRatio(row, other).toFixed(2)
}

function memoryAndStart({
  floodLatency,
  tokenFlood,
  soak,
  audit,
  limits,
  decisions,
  startUpMs,
  mintedPerSecond,
}: Results): string[] {
  const parts: string[] = []
  if (floodLatency !== undefined)
    parts.push('## Good keys in a flood of made-up ones', ...floodLatencyTable(floodLatency))
  if (tokenFlood !== undefined) {
    const { latency, fetches } = tokenFlood
    parts.push('## Good tokens in a flood of tokens that name keys nobody has', ...floodLatencyTable(latency))
    parts.push(`The issuer was asked for its keys ${fetches} times meanwhile.`)
  }
  if (audit !== undefined) parts.push(...auditTables(audit))
  if (soak !== undefined) {
    const { start, median, end, max } = soak
    const figures = [start, median, end, max].map(each => each.toFixed(0))
    parts.push(
      `## Memory of two workers under ${soak.minutes} min of load (2 KB)`,
      table(['RSS MB', 'start', 'median', 'end', 'max', ''], [['ostiary', ...figures, soak.flat ? 'flat' : 'growing']]),
    )
  }
  if (limits !== undefined) {
    parts.push(
      '## Limits',
      'To admit a call by so many request rates, and to settle it; threads decide about the same key:',
      table(
        ['limits', 'threads', 'µs'],
        limits.map(({ limits, threads, microsPerDecision }) => [
          String(limits),
          String(threads),
          microsPerDecision.toFixed(2),
        ]),
      ),
    )
  }
  if (decisions !== undefined) {
    const figures = [decisions.cached, decisions.first, decisions.uncached].map(micros => micros.toFixed(1))
    parts.push(
      '## Policies',
      table(['µs', 'remembered', 'first of a caller', 'by what changes at each call'], [['a decision', ...figures]]),
    )
  }
  if (startUpMs !== undefined) {
    parts.push(
      '## Start-up',
      `From spawn on an empty data directory to the first 200 for an authenticated call: ${median(startUpMs).toFixed(0)} ms ` +
        `(median of ${startUpMs.length}; ${startUpMs.map(each => each.toFixed(0)).join(', ')}).`,
    )
  }
  if (mintedPerSecond !== undefined) {
    parts.push(
      '## Minting keys',
      `Through the admin API, each key and its event durable before its answer, 32 callers: ${median(mintedPerSecond).toFixed(0)} keys/s ` +
        `(median of ${mintedPerSecond.length}; ${mintedPerSecond.map(each => each.toFixed(0)).join(', ')}).`,
    )
  }
  return parts
}

function floodLatencyTable({ rounds }: FloodLatency): string[] {
  const lines = rounds.map(({ quiet, flooded, flood }, i) => [
    String(i + 1),
    ...[quiet.p50Ms, flooded.p50Ms, quiet.p99Ms, flooded.p99Ms].map(ms => ms.toFixed(2)),
    String(quiet.failures + flooded.failures),
    String(flood.answers),
  ])
  return [
    'Calls at a fixed rate, timed from when they were due, one worker; the flood comes from another address at full speed:',
    table(['round', 'p50 ms', 'within flood', 'p99 ms', 'within flood', 'failed', 'refusals sent'], lines),
  ]
}

function auditTables({ verifiedPerSecond, latencies }: AuditFigures): string[] {
  const lines = latencies.map(({ callers, batched, durable }) => [
    String(callers),
    batched.p50Ms.toFixed(2),
    durable.p50Ms.toFixed(2),
    (durable.p50Ms - batched.p50Ms).toFixed(2),
    batched.p99Ms.toFixed(2),
    durable.p99Ms.toFixed(2),
    batched.callsPerSecond.toFixed(0),
    durable.callsPerSecond.toFixed(0),
  ])
  const of = (figure: string) => [`${figure} batched`, `${figure} durable`]
  return [
    '## Audit',
    `\`ostiary audit verify\` checks ${verifiedPerSecond.toFixed(0)} events a second.`,
    'A call of 2 KB, one worker, in the two modes of the audit:',
    table(['callers', ...of('p50 ms'), 'added ms', ...of('p99 ms'), ...of('calls/s')], lines),
  ]
}

function table(heads: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = heads.map((head, i) => Math.max(head.length, ...lines.map(line => line[i]?.length ?? 0), 3))
  const render = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [render(heads), rule, ...lines.map(render)].join('\n')
}
