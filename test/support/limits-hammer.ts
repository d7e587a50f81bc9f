import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { createLimitsMemory, createMonotonicClock } from '#limits/counter-memory.ts'
import { createLimitsKeeper, type LimitsKeeper } from '#limits/keeper.ts'
import type { RateRule } from '#limits/rules.ts'
import { openAllowances } from './allowances.ts'
import { ADMITTED, AT_ONCE, type HammerTask, KEYS, MOST_AT_ONCE, PROMISED, SPENT, TIMES } from './limits-worker.ts'

const CAPACITY = 500_000

type HammerOptions = Pick<HammerTask, 'limits' | 'budgets'> &
  Partial<Pick<HammerTask, 'tokens' | 'bound' | 'refunded' | 'lasting' | 'keys'>> & {
    readonly threads: number
    readonly durationMs: number
    /** Of the table of counters. */
    readonly slots?: number
    /** Threads are ended at random moments, and replaced when what they held has been reclaimed. */
    readonly killing?: boolean
    /** Called often while the threads run. */
    readonly watch?: (memory: SharedArrayBuffer) => void
  }

export interface Hammered extends AsyncDisposable {
  readonly memory: SharedArrayBuffer
  readonly keeper: LimitsKeeper
  /** Database of the slices, and the run's name in it. */
  readonly file: string
  readonly epoch: string
  /** When the calls that were settled, of all keys or one, had been let through by a rate, µs, in order. */
  readonly timesOf: (rule: RateRule, key?: number) => readonly number[]
  readonly mostAtOnce: number
  /** Of calls at once that were never ended, because their thread was. */
  readonly atOnce: number
  readonly spent: number
  readonly promised: number
  readonly kills: number
  readonly micros: number
}

/** Lets threads call against the same limits as fast as they can. */
export async function hammer(options: HammerOptions): Promise<Hammered> {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-limits-'))
  const file = join(folder, 'allowances.db')
  const epoch = `epoch-${Math.random()}`
  const memory = createLimitsMemory({ workers: options.threads + 1, slots: options.slots ?? 64 })
  const tally = new SharedArrayBuffer(8 * (TIMES + 2 * CAPACITY))
  const allowances = openAllowances(file)
  const keeper = createLimitsKeeper({ memory, allowances, epoch, clock: Date.now, onTrouble: assert.ifError })
  const clock = createMonotonicClock()
  const { limits, budgets, tokens = 1, bound = 1, refunded = 0, lasting = 0, keys = 1 } = options
  const began = clock()
  const endsAt = began + options.durationMs * 1000
  const task = { memory, file, epoch, limits, budgets, tokens, bound, refunded, lasting, keys, tally, endsAt }
  let kills = 0
  const runThread = async (worker: number) => {
    while (clock() < endsAt) {
      const thread = new Worker(new URL('./limits-worker.ts', import.meta.url), { workerData: { ...task, worker } })
      const ended = once(thread, 'exit')
      if (options.killing === true) {
        await Promise.race([ended, once(thread, 'online').then(() => pause(50 + Math.random() * 250))])
        if (clock() < endsAt) kills++
        await thread.terminate()
      }
      await ended
      await keeper.reclaim(worker)
    }
  }
  const running = Promise.all(Array.from({ length: options.threads }, (_, i) => runThread(i + 1)))
  const watching = setInterval(() => options.watch?.(memory), 1)
  await running
  clearInterval(watching)
  const counts = new Int32Array(tally)
  const sums = new BigInt64Array(tally)
  const noted = [...new Float64Array(tally).subarray(TIMES, TIMES + 2 * (counts[ADMITTED] as number))]
  const timesOf = (rule: RateRule, key?: number) =>
    noted
      // A thread that was ended between counting and noting left a 0.
      .filter((note, i) => i % 2 === stageOf(rule) && note > 0 && (key === undefined || note % KEYS === key))
      .map(note => Math.floor(note / KEYS))
      .sort((a, b) => a - b)
  return {
    memory,
    keeper,
    file,
    epoch,
    timesOf,
    mostAtOnce: counts[MOST_AT_ONCE] as number,
    atOnce: counts[AT_ONCE] as number,
    spent: Number(sums[SPENT]),
    promised: Number(sums[PROMISED]),
    kills,
    micros: clock() - began,
    async [Symbol.asyncDispose]() {
      await keeper[Symbol.asyncDispose]()
      allowances[Symbol.dispose]()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Whether a rate of these tests is decided when the model is known. */
function stageOf({ unit, per }: RateRule): 0 | 1 {
  return unit === 'requests' && !per.includes('model') ? 0 : 1
}

/** The most units that any span has beyond what the rate allows in it; 0 or less = it holds. */
export function worstExcess(times: readonly number[], units: number, rule: RateRule): number {
  const window = rule.windowSeconds * 1e6
  let worst = Number.NEGATIVE_INFINITY
  for (let from = 0; from < times.length; from++) {
    for (let to = from; to < times.length; to++) {
      const span = (times[to] as number) - (times[from] as number)
      const allowed = rule.amount + Math.floor((rule.amount * span) / window)
      worst = Math.max(worst, (to - from + 1) * units - allowed)
    }
  }
  return worst
}
