import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { compileRules } from '#limits/compile-rules.ts'
import { createLimitsMemory } from '#limits/counter-memory.ts'
import { createLimiter } from '#limits/limiter.ts'
import type { RateRule } from '#limits/rules.ts'
import { median } from './measure.ts'

/** What the decision about one call costs, µs: admitted by so many rates, and settled. */
export interface LimitFigures {
  readonly limits: number
  /** Deciding about the same key at once. */
  readonly threads: number
  readonly microsPerDecision: number
}

interface Task {
  readonly memory: SharedArrayBuffer
  readonly worker: number
  readonly limits: number
}

const DECISIONS = 50_000
const ROUNDS = 9
const facts = { project: 'proj_bench', key: 'key_bench', network: '192.0.2.1', operation: 'openai.chat' }

/** One request rate and four limits, alone and with two threads on the same counters. */
export async function measureLimits(): Promise<LimitFigures[]> {
  const figures: LimitFigures[] = []
  for (const limits of [1, 4]) {
    for (const threads of [1, 2]) {
      const memory = createLimitsMemory({ workers: threads })
      const tasks = Array.from({ length: threads }, (_, i): Task => ({ memory, worker: i + 1, limits }))
      const results = await Promise.all(tasks.map(runThread))
      figures.push({ limits, threads, microsPerDecision: Math.max(...results) })
    }
  }
  return figures
}

async function runThread(task: Task): Promise<number> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { limitsBench: task } })
  const [micros] = (await once(worker, 'message')) as [number]
  await once(worker, 'exit')
  return micros
}

function decide({ memory, worker, limits }: Task): number {
  const limiter = createLimiter({
    memory,
    worker,
    allowances: { take: fail, settle: fail, forget: fail },
    findSpent: fail,
    epoch: 'bench',
    clock: Date.now,
    onThreshold() {},
    onOverrun() {},
  })
  const rate = (name: string, per: RateRule['per']): RateRule => ({
    name,
    unit: 'requests',
    amount: 1e9,
    windowSeconds: 60,
    per,
    models: null,
    operations: null,
  })
  const all = [rate('key', ['key']), rate('project', ['project']), rate('ip', ['ip']), rate('all', [])]
  const rules = compileRules({ limits: all.slice(0, limits), budgets: [] })
  const used = { inputTokens: 0, outputTokens: 0, nanoUsd: 0 }
  const run = (times: number) => {
    const began = performance.now()
    for (let n = 0; n < times; n++) {
      const ticket = limiter.open(rules, facts)
      ticket.admit()
      ticket.settle(used)
    }
    return ((performance.now() - began) / times) * 1000
  }
  run(2 * DECISIONS)
  return median(Array.from({ length: ROUNDS }, () => run(DECISIONS)))
}

function fail(): never {
  throw new Error('a decision about a rate within an hour needs no store')
}

if (!isMainThread && workerData?.limitsBench !== undefined) parentPort?.postMessage(decide(workerData.limitsBench))
