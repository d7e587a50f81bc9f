import assert from 'node:assert/strict'
import { it } from 'node:test'
import { hammer, worstExcess } from '../support/limits-hammer.ts'
import { killAndCount } from '../support/limits-kills.ts'
import { atRest, budget, concurrency, freeCalls, rate } from '../support/limits-rules.ts'

it('a program that is killed 200 times spends no more than its budget and its rate', () => killAndCount(200))

it('threads that are ended for a minute hold nothing, and let no more through', async () => {
  const rule = rate({ amount: 300, windowSeconds: 1 })
  const purse = budget({ amount: 50_000_000 })
  await using run = await hammer({
    limits: [rule, concurrency(3)],
    budgets: [purse],
    ...{ tokens: 1, bound: 100, refunded: 20, lasting: 30, threads: 4, durationMs: 60_000, killing: true },
    watch: memory => assert.ok(atRest(memory).committed <= purse.amount),
  })
  assert.ok(run.kills >= 100, `${run.kills} kills`)
  assert.ok(worstExcess(run.timesOf(rule), 1, rule) <= 0)
  assert.equal(freeCalls(run, concurrency(3)), 3)
  const { committed, spent } = atRest(run.memory)
  assert.equal(committed, spent)
  assert.ok(spent >= run.promised && spent <= run.spent + run.kills * 200)
})
