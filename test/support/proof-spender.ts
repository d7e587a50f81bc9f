import { parentPort, workerData } from 'node:worker_threads'
import { openReplayMemory } from '#auth/dpop/replay-memory.ts'

/** What one thread is to do. */
export interface SpenderTask {
  readonly memory: SharedArrayBuffer
  /** Where all threads wait for each other before each round. */
  readonly gate: SharedArrayBuffer
  readonly threads: number
  readonly rounds: number
  /** Ids that each round spends, all by the same key; `first` turns their order, so that threads meet in its middle. */
  readonly ids: number
  readonly first: number
  /** How long a proof is good, ms of the clock: short ones make places free while others look for one. */
  readonly lifeMs: number
}

/** Words of the gate; `END` counts in words of twice the size. */
const ARRIVED = 0
const ROUND = 1
const END = 1
export const GATE_BYTES = 16

/** The same in all threads, and 500 times as fast as time: ends are whole seconds. ms since the epoch. */
export function fastClock(): number {
  return BASE + (Number(process.hrtime.bigint()) / 1e6) * 500
}

const BASE = 1_800_000_000_000

/** Spends the same ids as all other threads, at the same time; tells those that were fresh to it. */
function spend({ memory, gate, threads, rounds, ids, first, lifeMs }: SpenderTask): string[] {
  const replays = openReplayMemory(memory, fastClock)
  const arrived = new Int32Array(gate)
  const fresh: string[] = []
  for (let round = 0; round < rounds; round++) {
    // Whoever comes last says for all when the proofs of this round end, and opens it.
    if (Atomics.add(arrived, ARRIVED, 1) + 1 === threads * (round + 1)) {
      new Float64Array(gate)[END] = fastClock() + lifeMs
      Atomics.store(arrived, ROUND, round + 1)
      Atomics.notify(arrived, ROUND)
    } else Atomics.wait(arrived, ROUND, round)
    const endsAt = new Float64Array(gate)[END] as number
    for (let n = 0; n < ids; n++) {
      const id = `${round} ${(n + first) % ids}`
      if (replays.spend('key', id, endsAt) === 'fresh') fresh.push(id)
    }
  }
  return fresh
}

parentPort?.postMessage(spend(workerData as SpenderTask))
