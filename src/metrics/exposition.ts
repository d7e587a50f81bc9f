import type { Meter } from './meter.ts'
import { cellsOf, type Metric } from './metric.ts'
import { table } from './table.ts'

/** OpenMetrics 1.0, which Prometheus asks for. */
export const EXPOSITION_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

/** The text of all metrics. `workers` are the meters of the workers by number; 0 is the supervisor's. */
export function renderExposition(workers: ReadonlyMap<number, Meter>): string {
  return `${Object.values<Metric>(table)
    .map(metric => renderMetric(metric, workers))
    .join('')}# EOF\n`
}

function renderMetric(metric: Metric, workers: ReadonlyMap<number, Meter>): string {
  const lines = [`# TYPE ${metric.name} ${metric.type}`, `# HELP ${metric.name} ${metric.help}`]
  if (metric.perWorker) {
    for (const [number, meter] of workers) {
      if (number > 0) lines.push(...renderSeries(metric, meter.read(metric), [`worker="${number}"`]))
    }
  } else lines.push(...renderSeries(metric, sum(metric, workers), []))
  return `${lines.join('\n')}\n`
}

function sum(metric: Metric, workers: ReadonlyMap<number, Meter>): Float64Array {
  const [first, ...others] = [...workers.values()].map(meter => meter.read(metric))
  const cells = first ?? new Float64Array()
  for (const other of others) for (let i = 0; i < cells.length; i++) cells[i] = (cells[i] as number) + (other[i] ?? 0)
  return cells
}

/** Of several series those that were never counted are left out; a metric without labels always shows. */
function renderSeries(metric: Metric, cells: Float64Array, also: readonly string[]): string[] {
  const width = cellsOf(metric)
  return combinations(metric.labels).flatMap((labels, i) => {
    const own = cells.subarray(i * width, (i + 1) * width)
    const shown =
      labels.length === 0 || (metric.type === 'gauge' ? !isOther(metric, labels) : own.some(cell => cell > 0))
    if (!shown) return []
    const all = [...also, ...labels]
    if (metric.type === 'histogram') return renderHistogram(metric, own, all)
    return [sample(metric.type === 'counter' ? `${metric.name}_total` : metric.name, all, own[0] as number)]
  })
}

function isOther(metric: Metric, labels: readonly string[]): boolean {
  return metric.labels.some(([name, [other]]) => labels.includes(`${name}="${other}"`))
}

function renderHistogram({ name, buckets }: Metric, cells: Float64Array, labels: readonly string[]): string[] {
  let count = 0
  const lines = [...buckets, Number.POSITIVE_INFINITY].map((bound, i) => {
    count += cells[i] as number
    return sample(`${name}_bucket`, [...labels, `le="${showBound(bound)}"`], count)
  })
  return [
    ...lines,
    sample(`${name}_sum`, labels, cells[buckets.length + 1] as number),
    sample(`${name}_count`, labels, count),
  ]
}

function showBound(bound: number): string {
  if (bound === Number.POSITIVE_INFINITY) return '+Inf'
  return Number.isInteger(bound) ? `${bound}.0` : String(bound)
}

function sample(name: string, labels: readonly string[], value: number): string {
  return `${name}${labels.length === 0 ? '' : `{${labels.join(',')}}`} ${value}`
}

/** `['route="a",outcome="x"', …]`; values are of the table, and need no escapes. */
function combinations(labels: Metric['labels']): string[][] {
  return labels.reduce<string[][]>(
    (before, [name, values]) => before.flatMap(row => values.map(value => [...row, `${name}="${value}"`])),
    [[]],
  )
}
