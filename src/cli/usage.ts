import { Problem } from '#core/problems.ts'
import { usageDimensions, usageSpans } from '#store/usage-port.ts'
import { csvLine } from '#usage/csv.ts'
import { fromUsd, showUsd } from '#usage/money.ts'
import { reportCounts } from '#usage/report-counts.ts'
import { callOperation } from './admin-client.ts'
import type { AdminOperations } from './admin-types.ts'
import { parse, readTime } from './arguments.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { printable } from './printable.ts'
import { renderTable } from './table.ts'

type Query = NonNullable<AdminOperations['usageList']['query']>
type Page = AdminOperations['usageList']['answer']
type Row = Page['usage'][number]
type Group = 'time' | 'project' | 'key' | 'model' | 'provider' | 'environment'

/** `ostiary usage`. */
export async function usageCommand(args: string[], io: Io): Promise<number> {
  const { csv, json, ...options } = parse(args, commandTable.usage.options).values
  if (csv && json) throw new Problem('cli.usage', { detail: '--csv or --json, not both.' })
  const query = readQuery(options)
  const groups = query.by.split(',').map(name => (/^(?:hour|day|month)$/.test(name) ? 'time' : name)) as Group[]
  if (csv) return printCsv(io, query, groups)
  const rows: Row[] = []
  let since = ''
  for await (const page of pagesOf(io, query)) {
    rows.push(...page.usage)
    since = page.from
  }
  if (json) io.stdout.write(`${JSON.stringify({ from: since, usage: rows }, null, 2)}\n`)
  else io.stdout.write(rows.length === 0 ? `No calls since ${since}.\n` : render(rows, query.by, groups, since))
  return 0
}

/** What `--by` takes. */
const groupings: readonly string[] = [...usageDimensions, ...usageSpans]

type Options = Readonly<
  Partial<Record<'from' | 'to' | 'by' | 'environment' | 'project' | 'key' | 'model' | 'provider', string>>
>

function readQuery({ from, to, by = 'project,model', environment, ...filter }: Options): Query & { by: string } {
  if (environment !== undefined && environment !== 'live' && environment !== 'test') {
    throw new Problem('cli.usage', { detail: '--environment takes live or test.' })
  }
  const unknown = by.split(',').find(name => !groupings.includes(name))
  if (unknown !== undefined) {
    throw new Problem('cli.usage', { detail: `--by ${unknown}: there are ${groupings.join(', ')}.` })
  }
  const since = readTime('--from', from)
  const until = readTime('--to', to)
  return {
    ...filter,
    ...(environment !== undefined && { environment }),
    ...(since !== undefined && { from: new Date(since).toISOString() }),
    ...(until !== undefined && { to: new Date(until).toISOString() }),
    by,
    limit: 1000,
  }
}

async function* pagesOf(io: Io, query: Query): AsyncGenerator<Page> {
  for (let after: string | null | undefined; after !== null; ) {
    const asked = { ...query, ...(after !== undefined && { after }) }
    const page: Page = await callOperation(io, 'usageList', { query: asked })
    yield page
    after = page.next
  }
}

/** Page by page: there may be more rows than fit into memory. */
async function printCsv(io: Io, query: Query, groups: readonly Group[]): Promise<0> {
  const columns = [...groups, ...reportCounts]
  let head = csvLine(columns)
  for await (const { usage } of pagesOf(io, query)) {
    io.stdout.write(head + usage.map(row => csvLine(columns.map(name => row[name] ?? ''))).join(''))
    head = ''
  }
  return 0
}

const shown = ['requests', 'failed', 'refused', 'input_tokens', 'output_tokens'] as const

function render(rows: readonly Row[], by: string, groups: readonly Group[], since: string): string {
  const sorted = groups.includes('time') ? rows : rows.toSorted(dearestFirst)
  const total = (of: (row: Row) => number) => rows.reduce((sum, row) => sum + BigInt(of(row)), 0n)
  const body = sorted.map(row => [
    ...groups.map(name => (name === 'time' ? timeOf(row, by) : printable(row[name] || null))),
    ...shown.map(name => grouped(BigInt(row[name]))),
    showUsd(fromUsd(row.cost_usd)),
  ])
  const cost = rows.reduce((sum, row) => sum + fromUsd(row.cost_usd), 0n)
  const totals = [
    ...groups.map((_, i) => (i === 0 ? 'total' : '')),
    ...shown.map(name => grouped(total(row => row[name]))),
    showUsd(cost),
  ]
  const head = [...groups, 'requests', 'failed', 'refused', 'input', 'output', 'cost'].map(name => name.toUpperCase())
  const table = alignRight([head, ...body, totals], groups.length)
  const notes = [`Since ${since}.`]
  const unpriced = total(row => row.unpriced)
  if (unpriced > 0n) notes.push(`What ${unpriced} of the calls cost is not in it: no price is known for their model.`)
  const estimated = total(row => row.estimated)
  if (estimated > 0n) notes.push(`Of ${estimated} of the calls the gateway estimated what they used.`)
  return `${renderTable(table[0] ?? [], table.slice(1))}\n${notes.join('\n')}\n`
}

function dearestFirst(a: Row, b: Row): number {
  const difference = fromUsd(b.cost_usd) - fromUsd(a.cost_usd)
  if (difference === 0n) return b.requests - a.requests
  return difference > 0n ? 1 : -1
}

function timeOf({ time = '' }: Row, by: string): string {
  return by.includes('hour') ? time.slice(0, 16).replace('T', ' ') : time.slice(0, by.includes('month') ? 7 : 10)
}

/** `1,234,567` */
function grouped(count: bigint): string {
  return count.toString().replace(/\B(?=(\d{3})+$)/g, ',')
}

/** Numbers, from this column on, end below each other. */
function alignRight(lines: readonly (readonly string[])[], from: number): string[][] {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map(line => (line[column] ?? '').length))) ?? []
  return lines.map(line => line.map((text, column) => (column < from ? text : text.padStart(widths[column] ?? 0))))
}
