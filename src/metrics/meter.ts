import { cellsOf, type Metric, sizeOf } from './metric.ts'
import { table } from './table.ts'

/** Where the numbers of each metric begin, and how a label's value is found. */
interface Place {
  readonly offset: number
  readonly indexes: readonly ReadonlyMap<string, number>[]
}

const places = new Map<Metric, Place>()
let size = 0
for (const metric of Object.values<Metric>(table)) {
  const indexes = metric.labels.map(([, values]) => new Map(values.map((value, i) => [value, i])))
  places.set(metric, { offset: size, indexes })
  size += sizeOf(metric)
}

/** Memory for the numbers of one thread; it outlives the thread, and so do its counts. */
export function createMetricsMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(size * Float64Array.BYTES_PER_ELEMENT)
}

/** The numbers of one thread, which alone writes them; others may read them at any time. */
export class Meter {
  readonly #cells: Float64Array

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Float64Array(memory)
  }

  /** Label values in the order of the table. */
  add(metric: Metric, amount: number, ...labels: readonly string[]): void {
    const at = firstCell(metric, labels)
    this.#cells[at] = (this.#cells[at] as number) + amount
  }

  set(metric: Metric, value: number, ...labels: readonly string[]): void {
    this.#cells[firstCell(metric, labels)] = value
  }

  observe(metric: Metric, value: number, ...labels: readonly string[]): void {
    const { buckets } = metric
    const first = firstCell(metric, labels)
    let i = 0
    while (i < buckets.length && value > (buckets[i] as number)) i++
    this.#cells[first + i] = (this.#cells[first + i] as number) + 1
    const sum = first + buckets.length + 1
    this.#cells[sum] = (this.#cells[sum] as number) + value
  }

  /** All numbers of a metric: series after series, the last label's values next to each other. */
  read(metric: Metric): Float64Array {
    const { offset } = places.get(metric) as Place
    return this.#cells.slice(offset, offset + sizeOf(metric))
  }

  /** The thread has ended: what it held is gone. */
  clearGauges(): void {
    for (const [metric, { offset }] of places) {
      if (metric.type === 'gauge') this.#cells.fill(0, offset, offset + sizeOf(metric))
    }
  }
}

function firstCell(metric: Metric, labels: readonly string[]): number {
  const { offset, indexes } = places.get(metric) as Place
  let series = 0
  for (let i = 0; i < indexes.length; i++) {
    const index = indexes[i] as ReadonlyMap<string, number>
    series = series * index.size + (index.get(labels[i] ?? '') ?? 0)
  }
  return offset + series * cellsOf(metric)
}
