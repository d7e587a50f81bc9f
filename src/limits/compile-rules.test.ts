import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { compileRules } from './compile-rules.ts'
import { CounterName, compileBudget, compileRate, type RateLimit } from './compiled-limit.ts'
import type { BudgetRule, Dimension, RateRule } from './rules.ts'

const tokens: RateRule = {
  name: 'tokens',
  unit: 'tokens',
  amount: 7,
  windowSeconds: 60,
  per: [],
  models: null,
  operations: null,
}
const facts = { project: 'p', key: 'k', network: 'n', operation: 'o' }

describe('compiled rules', () => {
  it('put before the model what needs none', () => {
    const requests: RateRule = { ...tokens, unit: 'requests' }
    const { admit, reserve } = compileRules(
      {
        limits: [
          { ...requests, name: 'a' },
          { ...requests, name: 'b', per: ['model'] },
          { ...requests, name: 'c', models: model => model === 'm' },
          { ...requests, name: 'd', windowSeconds: 3601 },
          { ...tokens, name: 'e' },
          { ...requests, name: 'f', unit: 'concurrency' },
        ],
        budgets: [],
      },
      {
        limits: [{ unit: 'concurrency', amount: 2 }],
        budgets: [{ unit: 'usd', amount: 1.5, period: 'day' }],
      },
    )
    assert.deepEqual(
      admit.map(({ name }) => name),
      ['a', 'f', 'key-concurrency'],
    )
    assert.deepEqual(
      reserve.map(({ name }) => name),
      ['b', 'c', 'd', 'e', 'key-usd-day'],
    )
    assert.equal(reserve.at(-1)?.amount, 1_500_000_000)
  })

  it('apply to the operations and models that they name', () => {
    const rule = { ...tokens, operations: new Set(['o']), models: (model: string) => model.startsWith('m') }
    const limit = compileRate('config', rule)
    assert.deepEqual(
      [limit.applies('o', 'm1'), limit.applies('o', 'x'), limit.applies('other', 'm1')],
      [true, false, false],
    )
  })

  it('keep of two limits of a key that count the same the one that allows less', () => {
    const limit = { unit: 'requests', windowSeconds: 60 } as const
    const { admit } = compileRules(
      { limits: [], budgets: [] },
      {
        limits: [
          { ...limit, amount: 9 },
          { ...limit, amount: 3 },
        ],
      },
    )
    assert.deepEqual(
      admit.map(({ amount }) => amount),
      [3],
    )
  })

  it('never charge less than the exact cost of tokens', () => {
    const amounts = fc.integer({ min: 1, max: 10_000_000_000 })
    fc.assert(
      fc.property(amounts, fc.nat({ max: 10_000_000_000 }), fc.integer({ min: 1, max: 3600 }), (amount, n, seconds) => {
        const limit = compileRate('config', { ...tokens, amount, windowSeconds: seconds })
        const cost = BigInt(limit.costOf({ inputTokens: n, outputTokens: 0 }))
        const exact = BigInt(n) * BigInt(seconds * 1e6)
        if (n <= amount) assert.ok(cost * BigInt(amount) >= exact)
        assert.equal(cost > seconds * 1e6, n > amount)
        if (n <= amount) assert.ok((cost - 1n) * BigInt(amount) < exact)
      }),
    )
  })

  it('count tokens as their unit says', () => {
    const cost = (unit: RateRule['unit']) =>
      (compileRate('config', { ...tokens, unit, amount: 1, windowSeconds: 1 }) as RateLimit).costOf({
        inputTokens: 3,
        outputTokens: 5,
      }) / 1e6
    assert.deepEqual([cost('requests'), cost('tokens'), cost('input_tokens'), cost('output_tokens')], [1, 8, 3, 5])
  })
})

describe('limits per user and client', () => {
  const limits = (['key', 'user', 'client'] as const).map(one => ({
    ...tokens,
    unit: 'requests' as const,
    name: one,
    per: [one],
  }))
  const budgets: BudgetRule[] = [
    { name: 'both', unit: 'usd', amount: 5, period: 'day', per: ['user', 'client'], models: null, alertAt: [] },
  ]
  const cases = [
    [{}, ['key']],
    [{ hasUser: true }, ['key', 'user']],
    [{ hasClient: true }, ['key', 'client']],
    [{ hasUser: true, hasClient: true }, ['key', 'user', 'client', 'both']],
  ] as const
  for (const [caller, names] of cases) {
    it(`are about calls that have one: ${JSON.stringify(caller)}`, () => {
      const { admit, reserve } = compileRules({ limits, budgets }, caller)
      assert.deepEqual(
        [...admit, ...reserve].map(({ name }) => name),
        names,
      )
    })
  }

  it('a budget of a user is summed up from what was recorded for that user, one of a client cannot be', () => {
    const [user, client] = (['user', 'client'] as const).map(one =>
      compileBudget('config', { ...budgets[0], per: [one] } as BudgetRule),
    )
    user?.counter.select({ ...facts, user: 'company:1' }, 'm', 0)
    assert.deepEqual([user?.summable, user?.counter.scope(), client?.summable], [true, { key: 'company:1' }, false])
  })
})

describe('the name of a counter', () => {
  it('differs for all that differs, and only then', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '1', ':', '2'), maxLength: 6 })
    const per: Dimension[] = ['key', 'user', 'client', 'project', 'ip', 'model', 'operation']
    const call = fc.record({
      ...{ key: text, user: text, client: text, project: text, network: text, operation: text, model: text },
    })
    fc.assert(
      fc.property(call, call, (one, other) => {
        const name = (each: typeof one) => {
          const counter = new CounterName('prefix', per)
          counter.select(each, each.model, 0)
          return counter.text
        }
        assert.equal(name(one) === name(other), JSON.stringify(one) === JSON.stringify(other))
      }),
    )
  })

  it('forgets its place with any value that changes, and with the period', () => {
    const counter = new CounterName('prefix', ['key', 'model'])
    const place = { slot: 1, generation: 1, life: 1 }
    const keeps = (key: string, model: string, period: number) => {
      counter.place = place
      counter.select({ ...facts, key }, model, period)
      return counter.place === place
    }
    keeps('k', 'm', 0)
    assert.deepEqual(
      [keeps('k', 'm', 0), keeps('k2', 'm', 0), keeps('k2', 'm2', 0), keeps('k2', 'm2', 1), keeps('k2', 'm2', 1)],
      [true, false, false, false, true],
    )
  })

  it('of a limit in the configuration is never that of one of a key', () => {
    const budget: BudgetRule = {
      ...{ name: 'key-usd-day', unit: 'usd', amount: 5, period: 'day', per: ['key'], models: null, alertAt: [] },
    }
    const { reserve } = compileRules(
      { limits: [], budgets: [budget] },
      { budgets: [{ unit: 'usd', amount: 1, period: 'day' }] },
    )
    assert.equal(new Set(reserve.map(({ counter }) => counter.prefix)).size, 2)
  })
})
