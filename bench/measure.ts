import { cpuMicroseconds, memoryMb, resetPeakMemory } from './cpu-and-memory.ts'
import { type Load, type LoadResult, runLoad } from './load.ts'
import type { Server } from './processes.ts'

export interface Figures extends LoadResult {
  /** User and system time of the whole process tree, µs a call. */
  readonly cpuMicrosPerCall: number
  /** Resident after the run, and at most during it, MB. */
  readonly rssMb: number
  readonly peakMb: number
}

/** One of those that are measured under the same load, side by side. */
export interface Contender {
  readonly name: string
  readonly server: Server
  readonly load: Load
  readonly expectedStatus: 200 | 401
}

/** All rounds of one contender under one load. */
export interface Row {
  /** What was sent, such as `2 KB`. */
  readonly load: string
  readonly peer: string
  readonly rounds: readonly Figures[]
}

export interface Duration {
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly rounds: number
}

/** A large program takes thousands of calls to be compiled; what is measured first must not pay for that. */
export async function warmUp(contenders: readonly Contender[], { warmUpSeconds }: Duration): Promise<void> {
  for (const { load, expectedStatus } of contenders) await runLoad(load, 3 * warmUpSeconds, expectedStatus)
}

/** Rounds are interleaved (A, B, C, A, B, C), so that a disturbance of the machine falls on all alike. */
export async function measureSideBySide(
  label: string,
  contenders: readonly Contender[],
  duration: Duration,
): Promise<Row[]> {
  const rounds = new Map<string, Figures[]>(contenders.map(({ name }) => [name, []]))
  for (let round = 1; round <= duration.rounds; round++) {
    for (const contender of contenders) {
      const figures = await measure(contender, duration)
      rounds.get(contender.name)?.push(figures)
      console.error(`${label}, round ${round}, ${contender.name}: ${figures.cpuMicrosPerCall.toFixed(1)} µs CPU a call`)
    }
  }
  return contenders.map(({ name }) => ({ load: label, peer: name, rounds: rounds.get(name) ?? [] }))
}

async function measure({ server, load, expectedStatus }: Contender, duration: Duration): Promise<Figures> {
  await runLoad(load, duration.warmUpSeconds, expectedStatus)
  resetPeakMemory(server.pid)
  const before = cpuMicroseconds(server.pid)
  const result = await runLoad(load, duration.seconds, expectedStatus)
  const used = cpuMicroseconds(server.pid) - before
  const memory = memoryMb(server.pid)
  return { ...result, cpuMicrosPerCall: used / result.calls, rssMb: memory.now, peakMb: memory.peak }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

/** Median over the rounds of this one's CPU a call as a multiple of that one's in the same round. */
export function cpuRatio(row: Row, to: Row): number {
  return median(row.rounds.map((each, i) => each.cpuMicrosPerCall / (to.rounds[i]?.cpuMicrosPerCall ?? Number.NaN)))
}

export function findRow(rows: readonly Row[], load: string, peer: string): Row | undefined {
  return rows.find(row => row.load === load && row.peer === peer)
}
