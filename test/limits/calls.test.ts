import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Problem } from '#core/problems.ts'
import type { AllowanceStore } from '#limits/allowances.ts'
import { compileRules } from '#limits/compile-rules.ts'
import { createLimitsMemory } from '#limits/counter-memory.ts'
import { createLimitsKeeper } from '#limits/keeper.ts'
import { createLimiter } from '#limits/limiter.ts'
import type { BudgetRule, ConcurrencyRule, RateRule } from '#limits/rules.ts'
import { openAllowances } from '../support/allowances.ts'
import { admit, atRest, budget, concurrency, facts, rate } from '../support/limits-rules.ts'

const NOON = Date.parse('2026-11-30T12:00:00Z')
const call = {
  model: 'm',
  countedAs: 'm',
  inputTokens: 10,
  outputTokens: 0,
  boundTokens: 10,
  boundNanoUsd: 10,
  unbounded: null,
}
const used = { inputTokens: 10, outputTokens: 0, nanoUsd: 10 }

/** One worker's limiter beside the keeper, with clocks that only the test moves. */
function open(options: { slots?: number; holds?: number; spent?: number; epoch?: string; file?: string } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-limits-'))
  const store = openAllowances(options.file ?? join(folder, 'allowances.db'))
  const state = { now: 1e9, fails: false, takes: 0, spentAsked: [] as unknown[], told: [] as unknown[] }
  const failing = async <T>(work: () => Promise<T>): Promise<T> => {
    if (state.fails) throw new Problem('store.unavailable')
    return work()
  }
  const allowances: AllowanceStore = {
    take(allowance) {
      state.takes++
      return failing(() => store.take(allowance))
    },
    settle: rows => failing(() => store.settle(rows)),
    forget: before => store.forget(before),
  }
  const { slots = 64, holds = 64, spent = 0, epoch = 'epoch' } = options
  const memory = createLimitsMemory({ workers: 1, slots, holds })
  const clock = () => NOON + state.now / 1000 - 1e6
  const shared = { memory, allowances, epoch, clock, monotonic: () => state.now }
  const limiter = createLimiter({
    ...shared,
    worker: 1,
    findSpent: async scope => {
      state.spentAsked.push(scope)
      return spent
    },
    onThreshold: ({ fraction, used }) => state.told.push([fraction, used]),
    onOverrun: ({ reserved, used }) => state.told.push({ reserved, used }),
  })
  const keeper = createLimitsKeeper({ ...shared, onTrouble: error => state.told.push((error as Problem).code) })
  const rulesOf = (...rules: (RateRule | ConcurrencyRule | BudgetRule)[]) =>
    compileRules({
      limits: rules.filter(rule => !('period' in rule)) as (RateRule | ConcurrencyRule)[],
      budgets: rules.filter(rule => 'period' in rule) as BudgetRule[],
    })
  return {
    state,
    store,
    memory,
    limiter,
    keeper,
    rulesOf,
    wait: (seconds: number) => {
      state.now += seconds * 1e6
    },
    async [Symbol.asyncDispose]() {
      await limiter[Symbol.asyncDispose]()
      await keeper[Symbol.asyncDispose]()
      store[Symbol.dispose]()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** The refusal's code and what it tells a client of repeating. */
async function refusal(work: () => unknown): Promise<unknown[]> {
  try {
    await work()
  } catch (error) {
    assert.ok(error instanceof Problem, String(error))
    const { headers = {} } = error
    return [error.code, headers['retry-after'], headers['retry-after-ms'], headers['x-should-retry']]
  }
  return []
}

describe('a call under rates', () => {
  it('is refused with the time of the one that takes longest, never early', async () => {
    await using it = open()
    const rules = it.rulesOf(rate({ name: 'a', amount: 2, windowSeconds: 3 }), rate({ name: 'b', windowSeconds: 61 }))
    admit(it.limiter, rules, facts)
    it.wait(0.0004)
    assert.deepEqual(await refusal(() => admit(it.limiter, rules, facts)), [
      ...['limits.rate_exceeded', '61', '61000', 'false'],
    ])
    it.wait(60.1)
    assert.deepEqual(await refusal(() => admit(it.limiter, rules, facts)), [
      ...['limits.rate_exceeded', '1', '900', 'true'],
    ])
    it.wait(0.8996)
    admit(it.limiter, rules, facts)
  })

  it('takes of none that another refuses', async () => {
    await using it = open()
    const [roomy, tight] = [rate({ name: 'roomy', amount: 5, windowSeconds: 60 }), rate({ name: 'tight' })]
    admit(it.limiter, it.rulesOf(roomy, tight), facts)
    for (let i = 0; i < 9; i++) await refusal(() => admit(it.limiter, it.rulesOf(roomy, tight), facts))
    const { rates } = admit(it.limiter, it.rulesOf(roomy), facts).standing()
    assert.deepEqual(
      rates.map(({ remaining, resetSeconds }) => [remaining, resetSeconds]),
      [[3, 24]],
    )
  })

  it('is refused for good if it needs more than the whole limit', async () => {
    await using it = open()
    const rules = it.rulesOf(rate({ unit: 'tokens', amount: 9, windowSeconds: 60 }))
    const reserve = (inputTokens: number) => admit(it.limiter, rules, facts).reserve({ ...call, inputTokens })
    assert.deepEqual(await refusal(() => reserve(10)), ['limits.rate_exceeded', undefined, undefined, 'false'])
    assert.deepEqual(await refusal(() => reserve(2 ** 53)), ['limits.rate_exceeded', undefined, undefined, 'false'])
    assert.equal(reserve(9), undefined)
    assert.equal(reserve(0), undefined)
  })

  it('is charged what it used: the rest is given back, and more is owed by those that follow', async () => {
    await using it = open()
    const rules = it.rulesOf(rate({ unit: 'tokens', amount: 100, windowSeconds: 100 }))
    const settled = (estimate: number, inputTokens: number) => {
      const ticket = admit(it.limiter, rules, facts)
      ticket.reserve({ ...call, inputTokens: estimate })
      ticket.settle({ ...used, inputTokens })
      ticket.settle({ ...used, inputTokens: 90 })
      ticket.refund()
      return ticket.standing().rates[0]?.remaining
    }
    assert.equal(settled(50, 20), 80)
    assert.equal(settled(80, 150), 0)
    it.wait(69)
    assert.deepEqual((await refusal(() => settled(0, 0))).slice(0, 2), ['limits.rate_exceeded', '1'])
    it.wait(1)
    assert.equal(settled(0, 0), 0)
  })

  it('is given back whole, once', async () => {
    await using it = open()
    const rules = it.rulesOf(rate({ amount: 2, windowSeconds: 60 }), concurrency(2))
    const ticket = admit(it.limiter, rules, facts)
    admit(it.limiter, rules, facts)
    ticket.refund()
    ticket.refund()
    ticket.settle(used)
    assert.deepEqual(await refusal(() => ticket.reserve(call)), [
      ...['request.caller_hung_up', undefined, undefined, undefined],
    ])
    admit(it.limiter, rules, facts)
    assert.equal((await refusal(() => admit(it.limiter, rules, facts)))[0], 'limits.rate_exceeded')
  })
})

describe('calls at once', () => {
  it('are refused beyond the limit, for a second', async () => {
    await using it = open()
    const rules = it.rulesOf(concurrency(1))
    const ticket = admit(it.limiter, rules, facts)
    const refused = ['limits.concurrency_exceeded', '1', '1000', 'true']
    assert.deepEqual(await refusal(() => admit(it.limiter, rules, facts)), refused)
    ticket.settle(used)
    admit(it.limiter, rules, facts)
  })

  it('are refused where a worker can hold no more', async () => {
    await using it = open({ holds: 3 })
    const rules = it.rulesOf(concurrency(9))
    const first = admit(it.limiter, rules, facts)
    for (let i = 0; i < 2; i++) admit(it.limiter, rules, facts)
    assert.equal((await refusal(() => admit(it.limiter, rules, facts)))[0], 'limits.too_many_counters')
    first.refund()
    admit(it.limiter, rules, facts)
  })
})

describe('the table of counters', () => {
  it('refuses who finds no room, and never lets two count as one', async () => {
    await using it = open({ slots: 4 })
    const rules = it.rulesOf(rate({ windowSeconds: 10 }))
    const codes: unknown[] = []
    for (let key = 0; key < 6; key++) {
      codes.push((await refusal(() => admit(it.limiter, rules, { ...facts, key: `key-${key}` })))[0])
    }
    const full = 'limits.too_many_counters'
    assert.deepEqual(codes, [undefined, undefined, undefined, undefined, full, full])
    it.wait(10)
    assert.deepEqual(await refusal(() => admit(it.limiter, rules, { ...facts, key: 'key-5' })), [])
  })

  it('gives a slot whose time has come to another, and who remembers it is not taken for that one', async () => {
    await using it = open({ slots: 1 })
    const [mine, others] = [rate({ windowSeconds: 10 }), rate({ name: 'other', windowSeconds: 10 })].map(rule =>
      it.rulesOf(rule),
    ) as [ReturnType<typeof it.rulesOf>, ReturnType<typeof it.rulesOf>]
    admit(it.limiter, mine, facts)
    it.wait(10)
    admit(it.limiter, others, facts)
    assert.equal((await refusal(() => admit(it.limiter, mine, facts)))[0], 'limits.too_many_counters')
    it.wait(10)
    admit(it.limiter, mine, facts)
    assert.equal((await refusal(() => admit(it.limiter, mine, facts)))[0], 'limits.rate_exceeded')
  })

  it('keeps a slot while a call is under way or a budget is open', async () => {
    await using it = open({ slots: 1 })
    const [calls, other] = [it.rulesOf(concurrency(1)), it.rulesOf(rate({ name: 'other' }))]
    const ticket = admit(it.limiter, calls, facts)
    it.wait(1e6)
    assert.equal((await refusal(() => admit(it.limiter, other, facts)))[0], 'limits.too_many_counters')
    ticket.settle(used)
    admit(it.limiter, other, facts)
    it.wait(1e6)
    const paid = admit(it.limiter, it.rulesOf(budget({ amount: 100 })), facts)
    await paid.reserve(call)
    paid.settle(used)
    assert.equal((await refusal(() => admit(it.limiter, other, facts)))[0], 'limits.too_many_counters')
    it.wait(601)
    await it.keeper.settle()
    admit(it.limiter, other, facts)
  })

  it('charges what is owed to the one who owes it, when his slot has gone to another', async () => {
    await using it = open({ slots: 2 })
    const rules = it.rulesOf(rate({ unit: 'tokens', amount: 10, windowSeconds: 10 }))
    const reserved = (key: string) => {
      const ticket = admit(it.limiter, rules, { ...facts, key })
      ticket.reserve({ ...call, inputTokens: 1 })
      return ticket
    }
    const late = reserved('late')
    it.wait(1)
    for (const key of ['a', 'b']) reserved(key)
    it.wait(1)
    late.settle({ ...used, inputTokens: 11 })
    assert.equal((await refusal(() => reserved('late')))[0], 'limits.rate_exceeded')
    for (const key of ['a']) assert.deepEqual(await refusal(() => reserved(key)), [])
  })
})

describe('a call under budgets', () => {
  it('waits for the store once a slice, and is refused when all is gone', async () => {
    await using it = open()
    const rules = it.rulesOf(budget({ amount: 640 }))
    const calls = async () => {
      const ticket = admit(it.limiter, rules, facts)
      await ticket.reserve(call)
      ticket.settle(used)
    }
    for (let i = 0; i < 64; i++) await calls()
    assert.equal(it.state.takes, 64)
    assert.deepEqual(await refusal(calls), ['budget.exhausted', undefined, undefined, 'false'])
    assert.equal(it.state.takes, 64)
    assert.deepEqual(atRest(it.memory), { committed: 640, spent: 640 })
  })

  it('is refused if its bound alone does not fit, and takes nothing of the store for it', async () => {
    await using it = open()
    const rules = it.rulesOf(budget({ amount: 6400 }))
    const reserve = (boundNanoUsd: number) => admit(it.limiter, rules, facts).reserve({ ...call, boundNanoUsd })
    for (const bound of [6401, Number.MAX_SAFE_INTEGER]) {
      assert.equal((await refusal(() => reserve(bound)))[0], 'budget.exhausted')
    }
    assert.equal(it.state.takes, 1)
    await reserve(6400)
    assert.equal((await refusal(() => reserve(0)))[0], 'budget.exhausted')
  })

  it('is refused without a bound or a price', async () => {
    await using it = open()
    const [usd, tokens] = [it.rulesOf(budget({})), it.rulesOf(budget({ unit: 'tokens' }))]
    const none = { ...call, boundTokens: null, boundNanoUsd: null, unbounded: null }
    assert.equal((await refusal(() => admit(it.limiter, usd, facts).reserve(none)))[0], 'budget.no_price')
    const endless = { ...none, unbounded: 'the output' }
    for (const rules of [usd, tokens]) {
      assert.equal((await refusal(() => admit(it.limiter, rules, facts).reserve(endless)))[0], 'budget.unbounded')
    }
  })

  it('is refused while the store is away, holds nothing then, and goes on when it is back', async () => {
    await using it = open()
    const rules = it.rulesOf(budget({ amount: 100 }), rate({ windowSeconds: 7200, amount: 3 }))
    it.state.fails = true
    const ticket = admit(it.limiter, rules, facts)
    assert.equal((await refusal(() => ticket.reserve(call)))[0], 'store.unavailable')
    ticket.refund()
    it.state.fails = false
    await admit(it.limiter, rules, facts).reserve(call)
    it.state.fails = true
    const beyondSlice = admit(it.limiter, it.rulesOf(budget({ amount: 100 })), facts)
    assert.equal((await refusal(() => beyondSlice.reserve(call)))[0], 'store.unavailable')
    it.state.fails = false
    assert.deepEqual(atRest(it.memory), { committed: 10, spent: 0 })
  })

  it('holds nothing if its caller hung up while the store was asked', async () => {
    await using it = open()
    const rules = it.rulesOf(budget({ amount: 100 }), concurrency(1))
    const ticket = admit(it.limiter, rules, facts)
    const reserving = ticket.reserve(call)
    ticket.refund()
    assert.equal((await refusal(() => reserving))[0], 'request.caller_hung_up')
    assert.equal(atRest(it.memory).committed, 0)
    admit(it.limiter, rules, facts)
  })

  it('belongs to the period in which it began, and the next one is whole', async () => {
    await using it = open()
    const rules = it.rulesOf(budget({ amount: 100, period: 'month' }))
    const late = admit(it.limiter, rules, facts)
    await late.reserve({ ...call, boundNanoUsd: 90, unbounded: null })
    it.wait(12 * 3600)
    const next = admit(it.limiter, rules, facts)
    await next.reserve({ ...call, boundNanoUsd: 90, unbounded: null })
    assert.deepEqual(
      [late, next].map(ticket => ticket.standing().budgets.map(({ remaining, resetsAt }) => [remaining, resetsAt])),
      [[[10, Date.parse('2026-12-01')]], [[10, Date.parse('2027-01-01')]]],
    )
    late.settle({ ...used, nanoUsd: 40 })
    assert.deepEqual(
      [late, next].map(ticket => ticket.standing().budgets[0]?.remaining),
      [60, 10],
    )
  })

  it('is told of at each share once, also after the bound was exceeded', async () => {
    await using it = open()
    const rules = it.rulesOf(budget({ amount: 100, alertAt: [0.5, 0.8, 1] }))
    const spend = async (nanoUsd: number) => {
      const ticket = admit(it.limiter, rules, facts)
      await ticket.reserve({ ...call, boundNanoUsd: 30, unbounded: null })
      ticket.settle({ ...used, nanoUsd })
    }
    for (const nanoUsd of [30, 19, 1, 5]) await spend(nanoUsd)
    assert.deepEqual(it.state.told.splice(0), [[0.5, 50]])
    await spend(60)
    assert.deepEqual(it.state.told, [{ reserved: 30, used: 60 }, [0.8, 115], [1, 115]])
    assert.deepEqual(atRest(it.memory), { committed: 115, spent: 115 })
    assert.equal((await refusal(() => spend(0)))[0], 'budget.exhausted')
  })

  it('begins with what its scope has spent in the period', async () => {
    await using it = open({ spent: 95 })
    const rules = it.rulesOf(budget({ amount: 100, period: 'day', per: ['key', 'model'] }))
    const ticket = admit(it.limiter, rules, facts)
    assert.equal((await refusal(() => ticket.reserve(call)))[0], 'budget.exhausted')
    const from = Date.parse('2026-11-30T00:00:00Z')
    assert.deepEqual(it.state.spentAsked, [{ key: 'key-0', model: 'm', unit: 'usd', from }])
  })

  it('counts beyond 9 · 10^15', async () => {
    await using it = open()
    const amount = 9_007_199_254_740_991
    const rules = it.rulesOf(budget({ amount }))
    const ticket = admit(it.limiter, rules, facts)
    await ticket.reserve({ ...call, boundNanoUsd: amount - 1, unbounded: null })
    ticket.settle({ ...used, nanoUsd: amount - 1 })
    assert.deepEqual(atRest(it.memory), { committed: amount - 1, spent: amount - 1 })
    const last = admit(it.limiter, rules, facts)
    await last.reserve({ ...call, boundNanoUsd: 1, unbounded: null })
    last.settle({ ...used, nanoUsd: 1e6 })
    assert.equal((await refusal(() => admit(it.limiter, rules, facts).reserve(call)))[0], 'budget.exhausted')
  })
})

describe('what is durable', () => {
  const purse = budget({ amount: 6400 })
  const daily = rate({ amount: 64, windowSeconds: 86_400 })

  async function spendIn(file: string, epoch: string, calls: number, closes: boolean) {
    const it = open({ file, epoch })
    const rules = it.rulesOf(purse, daily)
    let last: ReturnType<typeof admit> | undefined
    for (let i = 0; i < calls; i++) {
      last = admit(it.limiter, rules, facts)
      await last.reserve({ ...call, boundNanoUsd: 150, unbounded: null })
      last.settle({ ...used, nanoUsd: 120 })
    }
    const standing = last?.standing()
    if (closes) await it[Symbol.asyncDispose]()
    return [standing?.budgets[0]?.remaining, standing?.rates[0]?.remaining]
  }

  it('goes on where a clean stop left it, and loses the slice where there was none', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ostiary-limits-'))
    try {
      const file = join(folder, 'allowances.db')
      assert.deepEqual(await spendIn(file, 'one', 3, true), [6400 - 360, 61])
      // The time of day is taken to the next millisecond.
      assert.deepEqual(await spendIn(file, 'two', 1, false), [6400 - 480, 59])
      const [remaining = 0, calls = 0] = await spendIn(file, 'three', 1, true)
      assert.ok(remaining <= 6400 - 600 && remaining >= 6400 - 600 - 200, `${remaining}`)
      assert.ok(calls <= 59 && calls >= 56, `${calls}`)
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    }
  })

  it('is closed when nobody uses it, and opened where it was', async () => {
    await using it = open()
    const rules = it.rulesOf(purse, daily)
    const spend = async () => {
      const ticket = admit(it.limiter, rules, facts)
      await ticket.reserve(call)
      ticket.settle(used)
      return ticket.standing().budgets[0]?.remaining
    }
    assert.equal(await spend(), 6390)
    it.wait(3600)
    await it.keeper.settle()
    const takes = it.state.takes
    assert.equal(await spend(), 6380)
    assert.ok(it.state.takes > takes)
  })

  it('stays open while the store does not take the closing', async () => {
    await using it = open()
    const rules = it.rulesOf(purse)
    const spend = async () => {
      const ticket = admit(it.limiter, rules, facts)
      await ticket.reserve(call)
      ticket.settle(used)
    }
    await spend()
    await it.keeper.settle()
    it.wait(3600)
    it.state.fails = true
    await it.keeper.settle()
    assert.deepEqual(it.state.told, ['store.unavailable'])
    // It may have been closed, and only the answer lost: nothing is spent of it that the store was not asked for.
    const { takes } = it.state
    await assert.rejects(spend, { code: 'store.unavailable' })
    it.state.fails = false
    await spend()
    assert.ok(it.state.takes > takes)
    assert.deepEqual(atRest(it.memory), { committed: 20, spent: 20 })
  })
})
