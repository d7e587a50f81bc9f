import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Arrivals } from './arrivals.ts'
import { makeFloodKeys } from './flood-keys.ts'
import type { Duration } from './measure.ts'
import { startOstiary } from './ostiary.ts'
import { freePort, loadCore, measuredCore, runCommand, scratch } from './processes.ts'

const CALLS_PER_SECOND = 300
const FLOOD_CONNECTIONS = 64

export interface FloodLatency {
  /** Rounds, each without the flood and then within it. */
  readonly rounds: readonly { readonly quiet: Arrivals; readonly flooded: Arrivals; readonly flood: FloodCount }[]
}

interface FloodCount {
  readonly answers: number
  /** Connections opened. */
  readonly opened: number
}

/** What callers with a good key notice of a flood of made-up ones at full speed from another address; one worker. */
export async function measureFloodLatency(
  upstreamPort: number,
  duration: Duration,
  maxFailuresPerSecond?: number,
): Promise<FloodLatency> {
  const port = await freePort()
  const ostiary = await startOstiary({
    cores: measuredCore,
    workers: 1,
    port,
    upstreamPort,
    ...(maxFailuresPerSecond !== undefined && { maxFailuresPerSecond }),
  })
  const latency = await measureArrivals({ ...ostiary, port }, makeFloodKeys('madeUp', ostiary), duration)
  await ostiary.server.stop()
  return latency
}

/** Calls with a good credential at a fixed rate, alone and within a flood of these credentials. */
export async function measureArrivals(
  { url, key, port }: { readonly url: string; readonly key: string; readonly port: number },
  flood: readonly string[],
  { seconds, warmUpSeconds, rounds }: Duration,
): Promise<FloodLatency> {
  const keysFile = join(mkdtempSync(join(scratch, 'flood-')), 'credentials')
  writeFileSync(keysFile, flood.join('\n'))
  const run = async (script: string, ...args: (string | number)[]) =>
    JSON.parse(
      await runCommand(loadCore, [process.execPath, join(import.meta.dirname, script), ...args.map(String)]),
    ) as unknown
  const arrive = (time: number) => run('arrivals.ts', url, key, CALLS_PER_SECOND, time)
  await arrive(3 * warmUpSeconds)
  const measured: FloodLatency['rounds'][number][] = []
  for (let round = 1; round <= rounds; round++) {
    const quiet = (await arrive(seconds)) as Arrivals
    const flooding = run('flooder.ts', port, keysFile, FLOOD_CONNECTIONS, seconds + 1)
    const flooded = (await arrive(seconds)) as Arrivals
    const flood = (await flooding) as FloodCount
    measured.push({ quiet, flooded, flood })
    console.error(
      `flood latency, round ${round}: p99 ${quiet.p99Ms.toFixed(2)} ms without, ${flooded.p99Ms.toFixed(2)} ms within`,
    )
  }
  return { rounds: measured }
}
