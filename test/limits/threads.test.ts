import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RateRule } from '#limits/rules.ts'
import { hammer, worstExcess } from '../support/limits-hammer.ts'
import { atRest, budget, concurrency, freeCalls, rate } from '../support/limits-rules.ts'

describe('threads that call as fast as they can', () => {
  for (const [amount, windowSeconds] of [
    [3, 1],
    [100, 1],
    [700, 0.5],
  ] as const) {
    it(`are let through ${amount} times in ${windowSeconds} s, in any span, and no less`, async () => {
      const rule = rate({ amount, windowSeconds })
      await using run = await hammer({ limits: [rule], budgets: [], threads: 3, durationMs: 1000 })
      assertExact(run.timesOf(rule), 1, rule)
    })
  }

  it('use up tokens by estimate, in any span, and no less', async () => {
    const rule = rate({ unit: 'tokens', amount: 10_000, windowSeconds: 1 })
    await using run = await hammer({ limits: [rule], budgets: [], tokens: 37, bound: 37, threads: 3, durationMs: 900 })
    assertExact(run.timesOf(rule), 37, rule)
  })

  it('come under several limits of all or none, with calls that are given back', async () => {
    const rules = [
      rate({ name: 'a', amount: 900, windowSeconds: 1 }),
      rate({ name: 'b', amount: 300, windowSeconds: 0.5, per: ['key', 'model'] }),
      rate({ name: 'c', unit: 'tokens', amount: 2000, windowSeconds: 1 }),
    ]
    const limits = [...rules, concurrency(2)]
    await using run = await hammer({
      limits,
      budgets: [],
      ...{ tokens: 3, bound: 3, refunded: 30, lasting: 20, threads: 3, durationMs: 1200 },
    })
    for (const rule of rules) {
      const units = rule.unit === 'tokens' ? 3 : 1
      assert.ok(worstExcess(run.timesOf(rule), units, rule) <= 0, rule.name)
    }
    // Rule b is the tightest: what others refuse and what is given back costs nothing of it that time had not given back.
    const b = rules[1] as RateRule
    assert.ok(run.timesOf(b).length >= b.amount)
    assert.ok(run.mostAtOnce <= 2)
    assert.equal(freeCalls(run, concurrency(2)), 2)
  })

  it('take slots from each other, and no key is let through by what another gave up', async () => {
    const rule = rate({ amount: 2, windowSeconds: 0.002 })
    await using run = await hammer({
      limits: [rule],
      budgets: [],
      ...{ keys: 12, slots: 4, threads: 3, durationMs: 1000 },
    })
    for (let key = 0; key < 12; key++) {
      const times = run.timesOf(rule, key)
      assert.ok(times.length > 20, `key ${key} was let through ${times.length} times`)
      assert.ok(worstExcess(times, 1, rule) <= 0, `key ${key}`)
    }
  })

  it('are never more at once than allowed', async () => {
    await using run = await hammer({
      limits: [concurrency(2)],
      budgets: [],
      ...{ lasting: 100, refunded: 50, threads: 3, durationMs: 1000 },
    })
    assert.equal(run.mostAtOnce, 2)
    assert.equal(freeCalls(run, concurrency(2)), 2)
  })

  it('spend a budget to its end and never more', async () => {
    const rule = budget({ amount: 40_000 })
    await using run = await hammer({
      limits: [],
      budgets: [rule],
      ...{ tokens: 1, bound: 9, refunded: 20, lasting: 5, threads: 3, durationMs: 1000 },
      watch: memory => {
        const { committed, spent } = atRest(memory)
        assert.ok(spent <= committed && committed <= rule.amount, `${spent}, ${committed}`)
      },
    })
    const { committed, spent } = atRest(run.memory)
    assert.equal(spent, run.spent)
    assert.equal(committed, spent)
    // A call needs room for its bound.
    assert.ok(spent > rule.amount - 9 && spent <= rule.amount, `${spent}`)
  })
})

describe('threads that are ended at any moment', () => {
  it('hold nothing once they are reclaimed, and let no more through', async () => {
    const rule = rate({ amount: 2000, windowSeconds: 1 })
    const purse = budget({ amount: 1_000_000 })
    await using run = await hammer({
      limits: [rule, concurrency(3)],
      budgets: [purse],
      ...{ tokens: 1, bound: 100, refunded: 20, lasting: 30, threads: 2, durationMs: 2500, killing: true },
      watch: memory => {
        const { committed } = atRest(memory)
        assert.ok(committed <= purse.amount)
      },
    })
    assert.ok(run.kills >= 4, `${run.kills} kills`)
    assert.ok(worstExcess(run.timesOf(rule), 1, rule) <= 0)
    assert.equal(freeCalls(run, concurrency(3)), 3)
    const { committed, spent } = atRest(run.memory)
    assert.equal(committed, spent)
    // What was used is spent, and of what was reserved at most one call a thread that was ended.
    assert.ok(spent >= run.promised && spent <= run.spent + run.kills * 200, `${run.promised}, ${spent}, ${run.spent}`)
  })
})

/** No span has too much, and the whole no less than a caller who never pauses may have. */
function assertExact(times: readonly number[], units: number, rule: RateRule): void {
  assert.ok(worstExcess(times, units, rule) <= 0, 'more than the rate')
  const span = (times.at(-1) as number) - (times[0] as number)
  const allowed = rule.amount + (rule.amount * span) / (rule.windowSeconds * 1e6)
  // The threads begin one after the other, and the machine may keep all of them waiting.
  assert.ok(times.length * units >= allowed * 0.97 - units - 1, `${times.length * units} of ${allowed}`)
}
