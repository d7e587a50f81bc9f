import { setImmediate } from 'node:timers/promises'
import { isMainThread, workerData } from 'node:worker_threads'
import { Problem } from '#core/problems.ts'
import { compileRules } from '#limits/compile-rules.ts'
import { createMonotonicClock } from '#limits/counter-memory.ts'
import { createLimiter } from '#limits/limiter.ts'
import type { BudgetRule, CallFacts, ConcurrencyRule, RateRule } from '#limits/rules.ts'
import { openAllowances } from './allowances.ts'
import { admit } from './limits-rules.ts'

/** What a thread that hammers limits is given. */
export interface HammerTask {
  readonly memory: SharedArrayBuffer
  readonly worker: number
  readonly file: string
  readonly epoch: string
  readonly limits: readonly (RateRule | ConcurrencyRule)[]
  readonly budgets: readonly BudgetRule[]
  /** Estimated tokens of a call, and the bound that is reserved for it; it uses the estimate at least. */
  readonly tokens: number
  readonly bound: number
  /** How many of 100 calls are given back, and how many take a turn of the event loop. */
  readonly refunded: number
  readonly lasting: number
  /** Callers, at most `KEYS`. */
  readonly keys: number
  readonly tally: SharedArrayBuffer
  /** µs of the monotonic clock. */
  readonly endsAt: number
}

/** Members of the tally: 32-bit counts first, then sums of 64 bits, then when each call was admitted and when it was reserved. */
export const ADMITTED = 0
export const AT_ONCE = 1
export const MOST_AT_ONCE = 2
export const SPENT = 2
export const PROMISED = 3
export const TIMES = 8
/** A time is noted as so many times itself, and which key it was. */
export const KEYS = 16

/** Calls until the time is over, without a pause: each is admitted, reserved, then refunded or settled. */
async function hammer(task: HammerTask): Promise<void> {
  const counts = new Int32Array(task.tally)
  const sums = new BigInt64Array(task.tally)
  const times = new Float64Array(task.tally)
  const clock = createMonotonicClock()
  let decidedAt = 0
  const limiter = createLimiter({
    memory: task.memory,
    worker: task.worker,
    allowances: openAllowances(task.file),
    findSpent: async () => 0,
    epoch: task.epoch,
    clock: Date.now,
    monotonic: () => {
      decidedAt = clock()
      return decidedAt
    },
    onThreshold() {},
    onOverrun() {},
  })
  const rules = compileRules({ limits: task.limits, budgets: task.budgets })
  const factsOf = (key: number) => ({
    project: 'proj',
    key: `key-${key}`,
    network: '192.0.2.1',
    operation: 'openai.chat',
  })
  const callers = Array.from({ length: task.keys }, (_, key) => factsOf(key))
  const { tokens, bound } = task
  const reservation = {
    model: 'm',
    countedAs: 'm',
    inputTokens: tokens,
    outputTokens: 0,
    boundTokens: bound,
    boundNanoUsd: bound,
    unbounded: null,
  }
  const chance = (percent: number) => Math.random() * 100 < percent
  const call = async () => {
    const key = Math.floor(Math.random() * task.keys)
    const ticket = admit(limiter, rules, callers[key] as CallFacts)
    const admittedAt = decidedAt
    let reservedAt = admittedAt
    try {
      const reserving = ticket.reserve(reservation)
      if (rules.reserve.length > 0) reservedAt = decidedAt
      if (reserving !== undefined) {
        await reserving
        reservedAt = decidedAt
      }
    } catch (error) {
      ticket.refund()
      throw error
    }
    const atOnce = Atomics.add(counts, AT_ONCE, 1) + 1
    if (atOnce > Atomics.load(counts, MOST_AT_ONCE)) Atomics.store(counts, MOST_AT_ONCE, atOnce)
    if (chance(task.lasting)) await setImmediate()
    Atomics.sub(counts, AT_ONCE, 1)
    if (chance(task.refunded)) return ticket.refund()
    const spent = tokens + Math.floor(Math.random() * (bound - tokens + 1))
    const place = TIMES + 2 * Atomics.add(counts, ADMITTED, 1)
    times[place] = admittedAt * KEYS + key
    times[place + 1] = reservedAt * KEYS + key
    // What the provider has been asked for is used, whatever becomes of this thread.
    Atomics.add(sums, PROMISED, BigInt(spent))
    ticket.settle({ inputTokens: tokens, outputTokens: spent - tokens, nanoUsd: spent })
    Atomics.add(sums, SPENT, BigInt(spent))
  }
  // A thread that waits for another one's slice has nothing else to live for.
  const alive = setInterval(() => {}, 1000)
  // A machine that was away for as long as all of it was to take must not make a run without any call.
  const endsAt = Math.max(task.endsAt, clock() + 200_000)
  while (clock() < endsAt) {
    try {
      await call()
    } catch (error) {
      if (
        !(error instanceof Problem) ||
        (error.status !== 429 && error.status !== 402 && error.code !== 'limits.too_many_counters')
      )
        throw error
    }
  }
  clearInterval(alive)
  await limiter[Symbol.asyncDispose]()
}

if (!isMainThread) await hammer(workerData as HammerTask)
