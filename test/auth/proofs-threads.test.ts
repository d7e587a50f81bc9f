import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { createReplayMemory } from '#auth/dpop/replay-memory.ts'
import { fastClock, GATE_BYTES, type SpenderTask } from '../support/proof-spender.ts'

const THREADS = 4

/** How often each id was fresh, of those that were at all. */
async function spendInThreads(
  { turned, ...task }: Pick<SpenderTask, 'rounds' | 'ids' | 'lifeMs'> & { readonly turned: boolean },
  slots: number,
): Promise<Map<string, number>> {
  const shared = {
    memory: createReplayMemory(slots, fastClock),
    gate: new SharedArrayBuffer(GATE_BYTES),
    threads: THREADS,
  }
  const answers = Array.from({ length: THREADS }, async (_, thread): Promise<string[]> => {
    const first = turned ? Math.floor((thread * task.ids) / THREADS) : 0
    const workerData: SpenderTask = { ...shared, ...task, first }
    const worker = new Worker(new URL('../support/proof-spender.ts', import.meta.url), { workerData })
    // Both at once: a thread that has ended may be heard of together with what it said.
    const [[fresh]] = await Promise.all([once(worker, 'message') as Promise<[string[]]>, once(worker, 'exit')])
    return fresh
  })
  const times = new Map<string, number>()
  for (const id of (await Promise.all(answers)).flat()) times.set(id, (times.get(id) ?? 0) + 1)
  return times
}

test('of threads that use one proof at the same moment, exactly one may', async () => {
  const times = await spendInThreads({ rounds: 200, ids: 200, turned: false, lifeMs: 500_000 }, 1_048_576)
  assert.equal(times.size, 40_000)
  assert.deepEqual(new Set(times.values()), new Set([1]))
})

test('no proof is taken twice while threads fill one set and places become free in it', async () => {
  // 24 ids a round for the 32 places of the set, each good for a moment: most rounds find some places free, and some none.
  const times = await spendInThreads({ rounds: 400, ids: 24, turned: true, lifeMs: 3000 }, 256)
  assert.ok(times.size > 50 && times.size < 9600, `${times.size} ids were taken`)
  assert.deepEqual(new Set(times.values()), new Set([1]))
})
