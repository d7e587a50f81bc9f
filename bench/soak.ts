import { setTimeout as sleep } from 'node:timers/promises'
import { chatBody } from './bodies.ts'
import { memoryMb } from './cpu-and-memory.ts'
import { runLoad } from './load.ts'
import { median } from './measure.ts'
import { startOstiary } from './ostiary.ts'
import { allCores, freePort } from './processes.ts'

/** Resident memory of the gateway with two workers under full load, MB. */
export interface SoakResult {
  readonly minutes: number
  readonly start: number
  readonly median: number
  readonly end: number
  readonly max: number
  /** The last quarter's median is at most a tenth above the second quarter's; the first is warm-up. */
  readonly flat: boolean
}

const sampleSeconds = 5

export async function soak(upstreamPort: number, minutes: number): Promise<SoakResult> {
  const { server, url, headers } = await startOstiary({
    cores: allCores,
    workers: 2,
    port: await freePort(),
    upstreamPort,
  })
  const load = { url, headers, body: chatBody(2) }
  await runLoad(load, 1, 200)
  const samples = [memoryMb(server.pid).now]
  const stopped = new AbortController()
  const sampling = sampleMemory(server.pid, samples, stopped.signal)
  await runLoad(load, Math.ceil(minutes * 60), 200)
  stopped.abort()
  await sampling
  await server.stop()
  const quarter = Math.max(1, Math.floor(samples.length / 4))
  return {
    minutes,
    start: samples[0] as number,
    median: median(samples),
    end: samples[samples.length - 1] as number,
    max: Math.max(...samples),
    flat: median(samples.slice(-quarter)) <= 1.1 * median(samples.slice(quarter, 2 * quarter)),
  }
}

async function sampleMemory(pid: number, samples: number[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(sampleSeconds * 1000, undefined, { signal }).catch(() => undefined)
    samples.push(memoryMb(pid).now)
  }
}
