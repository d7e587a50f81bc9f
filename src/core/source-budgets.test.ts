import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSourceBudgets } from './source-budgets.ts'

const count = (take: () => boolean, times: number) => Array.from({ length: times }, take).filter(Boolean).length

test('a source has its amount at once, and as much again within the time', () => {
  const take = createSourceBudgets({ amount: 10, refillMs: 1000, maxSources: 8 })
  assert.equal(
    count(() => take('10.0.0.1', 0), 30),
    10,
  )
  assert.equal(
    count(() => take('10.0.0.1', 500), 30),
    5,
  )
  assert.equal(
    count(() => take('10.0.0.2', 500), 30),
    10,
  )
  assert.equal(
    count(() => take('10.0.0.1', 90_000), 30),
    10,
  )
})

test('an IPv6 /64 is one source', () => {
  const take = createSourceBudgets({ amount: 10, refillMs: 1000, maxSources: 8 })
  let n = 0
  assert.equal(
    count(() => take(`2001:db8::${(n++).toString(16)}`, 0), 30),
    10,
  )
})

test('sources beyond the bound share one budget; those with a full one make room', () => {
  const take = createSourceBudgets({ amount: 10, refillMs: 1000, maxSources: 8 })
  for (let n = 0; n < 8; n++) assert.ok(take(`10.0.0.${n}`, 0))
  let n = 100
  assert.equal(
    count(() => take(`10.0.1.${n++ % 256}`, 1), 300),
    10,
  )
  assert.equal(
    count(() => take('10.0.0.1', 1), 30),
    9,
    'who was known keeps what is theirs',
  )
  for (let n = 0; n < 8; n++)
    assert.equal(
      count(() => take(`10.0.2.${n}`, 5000), 30),
      10,
    )
})

test('sources beyond the bound share the budget of their IPv6 /48 or IPv4 /24, and only beyond that bound one with all', () => {
  const take = createSourceBudgets({ amount: 10, refillMs: 1000, maxSources: 4 })
  for (let n = 0; n < 500; n++) take(`2001:db8:1:${n.toString(16)}::1`, 0)
  assert.equal(
    count(() => take('2001:db8:1:ffff::1', 0), 30),
    0,
    'of who has it all',
  )
  for (const address of ['2001:db8:2:1::1', '10.0.0.1', '::ffff:10.0.1.1']) {
    assert.equal(
      count(() => take(address, 0), 30),
      10,
      address,
    )
  }
  let n = 0
  assert.equal(
    count(() => take(`10.1.${n++ % 256}.1`, 0), 300),
    10,
  )
  take.giveBack('10.2.0.1')
  assert.equal(
    count(() => take('10.3.0.1', 0), 30),
    1,
  )
})

test('what was taken for something good is given back, and never more than was there', () => {
  const take = createSourceBudgets({ amount: 3, refillMs: 1000, maxSources: 8 })
  for (let n = 0; n < 50; n++) {
    assert.ok(take('10.0.0.1', 0))
    take.giveBack('10.0.0.1')
  }
  assert.ok(take('10.0.0.1', 0))
  for (let n = 0; n < 50; n++) take.giveBack('10.0.0.1')
  assert.equal(
    count(() => take('10.0.0.1', 0), 30),
    3,
  )
  take.giveBack('10.0.0.9')
  assert.equal(
    count(() => take('10.0.0.1', 0), 30),
    0,
    'of another source',
  )
})
