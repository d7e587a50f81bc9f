import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startRevocationPruning } from './revocation-pruning.ts'

const HOUR = 3_600_000
const NOW = 1_800_000_000_000

test('deletes what ended an hour ago, in steps until nothing is left, now and each hour', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const asked: (readonly [number, number])[] = []
  const left = [500, 500, 3, 0]
  const store = {
    async prune(before: number, limit: number) {
      asked.push([before, limit])
      return left.shift() ?? 0
    },
  }
  {
    await using _pruning = startRevocationPruning({
      store,
      clock: () => NOW,
      onTrouble: error => assert.ifError(error),
    })
    await new Promise(setImmediate)
    assert.deepEqual(asked, Array(3).fill([NOW - HOUR, 500]))
    t.mock.timers.tick(HOUR)
    await new Promise(setImmediate)
    assert.equal(asked.length, 4)
  }
  t.mock.timers.tick(HOUR)
  assert.equal(asked.length, 4)
})

test('tells of trouble, and tries again', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const told: unknown[] = []
  let works = false
  let pruned = 0
  const store = {
    async prune() {
      if (!works) throw new Error('down')
      pruned++
      return 0
    },
  }
  await using _pruning = startRevocationPruning({ store, clock: () => NOW, onTrouble: error => told.push(error) })
  await new Promise(setImmediate)
  works = true
  t.mock.timers.tick(HOUR)
  await new Promise(setImmediate)
  assert.deepEqual([told.length, pruned], [1, 1])
})
