/** What is measured. Every series that can ever be is known beforehand, so that no caller can make new ones. */
export interface Metric {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  /** Names of the labels and all values of each; what is none of them counts as the first, `other`. */
  readonly labels: readonly (readonly [name: string, values: readonly string[]])[]
  /** Upper bounds of a histogram; beyond the last is one more. */
  readonly buckets: readonly number[]
  /** Shown for each worker by itself; else as the sum of all. */
  readonly perWorker: boolean
}

type Labels = Readonly<Record<string, readonly string[]>>

/** Only ever grows. Named without `_total`, which the exposition adds. */
export function counter(name: string, help: string, labels: Labels = {}): Metric {
  return { name, type: 'counter', help, labels: withOther(labels), buckets: [], perWorker: false }
}

/** As it is now. */
export function gauge(name: string, help: string, labels: Labels = {}): Metric {
  return { name, type: 'gauge', help, labels: withOther(labels), buckets: [], perWorker: false }
}

/** As it is now in each worker. */
export function workerGauge(name: string, help: string, labels: Labels = {}): Metric {
  return { ...gauge(name, help, labels), perWorker: true }
}

export function histogram(name: string, help: string, buckets: readonly number[], labels: Labels = {}): Metric {
  return { name, type: 'histogram', help, labels: withOther(labels), buckets, perWorker: false }
}

function withOther(labels: Labels): Metric['labels'] {
  return Object.entries(labels).map(([name, values]) => [name, ['other', ...values]])
}

/** Numbers of one series: a histogram has one for each bucket, for what is beyond them, and for the sum. */
export function cellsOf({ buckets, type }: Metric): number {
  return type === 'histogram' ? buckets.length + 2 : 1
}

/** Numbers of all its series. */
export function sizeOf(metric: Metric): number {
  return metric.labels.reduce((product, [, values]) => product * values.length, cellsOf(metric))
}
