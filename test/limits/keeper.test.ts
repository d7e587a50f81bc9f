import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { AllowanceStore } from '#limits/allowances.ts'
import { type CompiledRules, compileRules } from '#limits/compile-rules.ts'
import { CounterMemory, createLimitsMemory } from '#limits/counter-memory.ts'
import { lockTable } from '#limits/counter-table.ts'
import { createLimitsKeeper } from '#limits/keeper.ts'
import { createLimiter, type Limiter } from '#limits/limiter.ts'
import { openAllowances } from '../support/allowances.ts'
import { admit, atRest, budget, concurrency, facts, rate } from '../support/limits-rules.ts'

const call = {
  model: 'm',
  countedAs: 'm',
  inputTokens: 1,
  outputTokens: 0,
  boundTokens: 10,
  boundNanoUsd: 10,
  unbounded: null,
}
const used = { inputTokens: 1, outputTokens: 0, nanoUsd: 4 }

/** Two workers and their keeper, over a store whose answers wait for the test. */
function open() {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-limits-'))
  const store = openAllowances(join(folder, 'allowances.db'))
  const state = { now: 1e9, at: Date.UTC(2026, 0), gate: Promise.resolve() }
  const allowances: AllowanceStore = {
    take: allowance => state.gate.then(() => store.take(allowance)),
    settle: rows => state.gate.then(() => store.settle(rows)),
    forget: store.forget,
  }
  const memory = createLimitsMemory({ workers: 2, slots: 8, holds: 16 })
  const shared = { memory, allowances, epoch: 'epoch', clock: () => state.at, monotonic: () => state.now }
  const startWorker = (worker: number) =>
    createLimiter({ ...shared, worker, findSpent: async () => 0, onThreshold() {}, onOverrun() {} })
  const keeper = createLimitsKeeper({ ...shared, onTrouble: assert.ifError })
  return {
    state,
    memory,
    keeper,
    startWorker,
    rows: () => store.rows(),
    /** The store answers nothing until what is returned is called. */
    stall() {
      const { promise, resolve } = Promise.withResolvers<void>()
      state.gate = promise
      return () => {
        state.gate = Promise.resolve()
        resolve()
      }
    },
    async [Symbol.asyncDispose]() {
      await keeper[Symbol.asyncDispose]()
      store[Symbol.dispose]()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

const rulesOf = (amount: number) => compileRules({ limits: [concurrency(2)], budgets: [budget({ amount })] })

async function spend(limiter: Limiter, rules: CompiledRules): Promise<number | undefined> {
  const ticket = admit(limiter, rules, facts)
  await ticket.reserve(call)
  ticket.settle(used)
  return ticket.standing().budgets[0]?.remaining
}

describe('the keeper of limits', () => {
  it('spends what a dead worker had reserved, and gives its calls at once to others', async () => {
    await using it = open()
    const [first, second] = [it.startWorker(1), it.startWorker(2)]
    const rules = rulesOf(100)
    await admit(first, rules, facts).reserve(call)
    const living = admit(second, rules, facts)
    await living.reserve(call)
    assert.throws(() => admit(second, rules, facts), { code: 'limits.concurrency_exceeded' })
    await it.keeper.reclaim(1)
    assert.deepEqual(atRest(it.memory), { committed: 20, spent: 10 })
    await admit(it.startWorker(1), rules, facts).reserve(call)
    assert.throws(() => admit(second, rules, facts), { code: 'limits.concurrency_exceeded' })
    living.settle(used)
    assert.deepEqual(atRest(it.memory), { committed: 24, spent: 14 })
  })

  it('has a worker’s number taken by one at a time', async () => {
    await using it = open()
    it.startWorker(1)
    assert.throws(() => it.startWorker(1), /not reclaimed/)
    await it.keeper.reclaim(1)
    it.startWorker(1)
  })

  it('lets others ask the store where a dead worker was asking, and find counters where it was finding one', async () => {
    await using it = open()
    const [first, second] = [it.startWorker(1), it.startWorker(2)]
    it.stall()
    void admit(first, rulesOf(100), facts).reserve(call)
    assert.ok(lockTable(new CounterMemory(it.memory), 1))
    await it.keeper.reclaim(1)
    it.state.gate = Promise.resolve()
    await admit(second, rulesOf(100), facts).reserve(call)
    const { committed, spent } = atRest(it.memory)
    assert.ok(committed - spent >= 10)
  })

  it('does not wait for a worker that died in the middle of a decision', async () => {
    await using it = open()
    it.startWorker(1)
    const second = it.startWorker(2)
    const memory = new CounterMemory(it.memory)
    Atomics.store(memory.i32, memory.busyAt(1), 1)
    Atomics.store(memory.i32, memory.busyAt(2), 1)
    const reclaims = [it.keeper.reclaim(1)]
    await new Promise(resolve => setImmediate(resolve))
    // Decisions stand still meanwhile: of the second it is not yet known that it is dead.
    assert.equal(Atomics.load(memory.i32, memory.pause), 1)
    reclaims.push(it.keeper.reclaim(2))
    await Promise.all(reclaims)
    assert.equal(Atomics.load(memory.i32, memory.pause), 0)
    void second
  })

  it('gives nothing away that is taken while a slice is being closed', async () => {
    await using it = open()
    const limiter = it.startWorker(1)
    const rules = rulesOf(6400)
    const first = admit(limiter, rules, facts)
    await first.reserve(call)
    first.settle(used)
    await it.keeper.settle()
    it.state.now += 601e6
    const answer = it.stall()
    const closing = it.keeper.settle()
    await new Promise(resolve => setImmediate(resolve))
    const late = admit(limiter, rules, facts)
    const reserving = late.reserve(call)
    answer()
    assert.ok(reserving !== undefined, 'nothing of the old slice is taken')
    await Promise.all([closing, reserving])
    assert.deepEqual(atRest(it.memory), { committed: 14, spent: 4 })
  })

  it('forgets no budget whose month may still run', async () => {
    await using it = open()
    const month = compileRules({ limits: [], budgets: [budget({ amount: 6400, period: 'month' })] })
    const limiter = it.startWorker(1)
    const began = await spend(limiter, month)
    it.state.at += Date.UTC(1970, 0, 31)
    await it.keeper.settle()
    assert.equal(began, 6396)
    assert.equal(it.rows(), 1)
    it.state.at += Date.UTC(1970, 0, 5)
    await it.keeper.settle()
    assert.equal(it.rows(), 0)
  })

  it('closes budgets whose period is over and rates whose time has come, and neither before', async () => {
    await using it = open()
    const limiter = it.startWorker(1)
    const daily = rate({ windowSeconds: 7200, amount: 2 })
    const others = compileRules({ limits: [rate({ per: ['ip'] })], budgets: [] })
    const rules = compileRules({ limits: [daily], budgets: [] })
    await admit(limiter, rules, facts).reserve(call)
    const admitted = () => {
      let count = 0
      for (let ip = 0; ip < 8; ip++) {
        try {
          admit(limiter, others, { ...facts, network: `${it.state.now}-${ip}` })
          count++
        } catch {}
      }
      return count
    }
    it.state.now += 3000e6
    await it.keeper.settle()
    assert.equal(admitted(), 7)
    it.state.now += 4000e6
    await it.keeper.settle()
    assert.equal(admitted(), 8)
  })
})
