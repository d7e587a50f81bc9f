import { openSync, writeSync } from 'node:fs'
import { Problem } from '#core/problems.ts'
import { compileRules } from '#limits/compile-rules.ts'
import { createLimitsMemory } from '#limits/counter-memory.ts'
import { createLimitsKeeper } from '#limits/keeper.ts'
import { createLimiter } from '#limits/limiter.ts'
import { openAllowances } from './allowances.ts'
import { admit, budget, facts, rate } from './limits-rules.ts'

/** The rules of the program, for whoever counts what it did. */
export const purse = budget({ amount: 100_000 })
export const daily = rate({ amount: 20_000, windowSeconds: 86_400 })
export const BOUND = 20

/** A program that spends until it is killed, and writes down each call before it ends: what it used. */
async function spend(database: string, book: string): Promise<void> {
  const memory = createLimitsMemory({ workers: 1, slots: 16 })
  const epoch = `${process.pid}-${process.hrtime.bigint()}`
  const shared = { memory, epoch, allowances: openAllowances(database), clock: Date.now }
  const keeper = createLimitsKeeper({
    ...shared,
    onTrouble: error => {
      throw error
    },
  })
  const limiter = createLimiter({
    ...shared,
    worker: 1,
    findSpent: async () => 0,
    onThreshold() {},
    onOverrun() {},
  })
  const rules = compileRules({ limits: [daily], budgets: [purse] })
  const file = openSync(book, 'a')
  const bound = {
    model: 'm',
    countedAs: 'm',
    inputTokens: 1,
    outputTokens: 1,
    boundTokens: BOUND,
    boundNanoUsd: BOUND,
    unbounded: null,
  }
  for (let calls = 0; ; calls++) {
    const ticket = admit(limiter, rules, facts)
    try {
      await ticket.reserve(bound)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      console.log(error.code)
      return
    }
    const nanoUsd = Math.floor(Math.random() * (BOUND + 1))
    writeSync(file, `${nanoUsd}\n`)
    ticket.settle({ inputTokens: 1, outputTokens: 1, nanoUsd })
    if (calls % 50 === 0) await keeper.settle()
  }
}

const [, , database, book] = process.argv
if (database !== undefined && book !== undefined && import.meta.main) await spend(database, book)
