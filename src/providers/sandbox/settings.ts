import { InvalidRequest } from './invalid-request.ts'

const failures = ['none', 'error', 'overloaded', 'reset', 'garbage', 'hang'] as const

/** How a call fails: 500, 503 or 529, a connection reset midway, a body that is not the format, or no answer at all. */
export type SandboxFailure = (typeof failures)[number]

export interface SandboxSettings {
  /** Until the head of the answer. */
  readonly latencyMs: number
  /** Pieces a streamed text comes in; a shorter text is lengthened to have as many. */
  readonly chunks: number
  /** Between the pieces of a streamed answer. */
  readonly chunkDelayMs: number
  readonly failure: SandboxFailure
}

interface Bound {
  readonly member: 'latencyMs' | 'chunks' | 'chunkDelayMs'
  readonly min: number
  readonly max: number
}

const bounds = new Map<string, Bound>([
  ['latency', { member: 'latencyMs', min: 0, max: 60_000 }],
  ['chunks', { member: 'chunks', min: 1, max: 1000 }],
  ['delay', { member: 'chunkDelayMs', min: 0, max: 10_000 }],
])

/**
 * The settings of one call: `defaults` with what the header `x-ostiary-sandbox` overrides, such as
 * `latency=200, chunks=5, delay=10, fail=overloaded` (ms, each at most once). Throws `InvalidRequest` for anything else.
 */
export function parseSettings(header: string | undefined, defaults: SandboxSettings): SandboxSettings {
  if (header === undefined) return defaults
  const settings = { ...defaults }
  const seen = new Set<string>()
  for (const item of header.split(',')) {
    const [, name = '', value = ''] = /^[ \t]*([a-z]+)=([a-z0-9]+)[ \t]*$/.exec(item) ?? []
    if (name === '') throw new InvalidRequest(`x-ostiary-sandbox: expected name=value, found '${item.trim()}'.`)
    if (seen.has(name)) throw new InvalidRequest(`x-ostiary-sandbox: '${name}' is given twice.`)
    seen.add(name)
    const bound = bounds.get(name)
    if (bound) settings[bound.member] = parseNumber(name, value, bound)
    else if (name === 'fail') settings.failure = parseFailure(value)
    else throw new InvalidRequest(`x-ostiary-sandbox: '${name}' is not one of latency, chunks, delay, fail.`)
  }
  return settings
}

function parseNumber(name: string, value: string, { min, max }: Bound): number {
  const number = /^[0-9]{1,6}$/.test(value) ? Number(value) : Number.NaN
  if (number >= min && number <= max) return number
  throw new InvalidRequest(`x-ostiary-sandbox: '${name}' must be a whole number from ${min} to ${max}.`)
}

function parseFailure(value: string): SandboxFailure {
  const failure = failures.find(name => name === value)
  if (failure) return failure
  throw new InvalidRequest(`x-ostiary-sandbox: 'fail' must be one of ${failures.join(', ')}.`)
}
