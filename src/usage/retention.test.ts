import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#core/problems.ts'
import { startUsageRetention } from './retention.ts'

const NOW = 1_800_000_000_000
const HOUR_MS = 3_600_000
const settled = () => new Promise(resolve => setImmediate(resolve))

function start(forget: (before: number, limit: number) => Promise<number>) {
  const troubles: unknown[] = []
  const onTrouble = (error: unknown) => troubles.push(error)
  return { troubles, retention: startUsageRetention({ store: { forget }, days: 62, clock: () => NOW, onTrouble }) }
}

test('deletes in bounded steps until nothing old is left, at once and each hour, also after the store was away', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const asked: [number, number][] = []
  const left = [500, 500, 3, 0]
  let down = false
  const { retention, troubles } = start(async (...query) => {
    if (down) throw new Problem('store.unavailable')
    asked.push(query)
    return left.shift() ?? 0
  })
  await settled()
  const query = [NOW - 62 * 24 * HOUR_MS, 500]
  assert.deepEqual(asked, [query, query, query])
  down = true
  t.mock.timers.tick(HOUR_MS)
  await settled()
  assert.equal(troubles.length, 1)
  down = false
  t.mock.timers.tick(HOUR_MS)
  await settled()
  assert.equal(asked.length, 4)
  await retention[Symbol.asyncDispose]()
  t.mock.timers.tick(HOUR_MS)
  await settled()
  assert.equal(asked.length, 4)
})

test('a stop waits for the step under way, and for no further one', async () => {
  const step = Promise.withResolvers<number>()
  let steps = 0
  const { retention } = start(async () => {
    steps++
    return steps === 1 ? step.promise : 0
  })
  let ended = false
  const end = retention[Symbol.asyncDispose]().then(() => {
    ended = true
  })
  await settled()
  assert.equal(ended, false)
  step.resolve(500)
  await end
  assert.equal(steps, 1)
})

test('turns do not pile up behind a slow store', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const step = Promise.withResolvers<number>()
  let steps = 0
  const { retention } = start(() => {
    steps++
    return step.promise
  })
  for (let hour = 0; hour < 100; hour++) t.mock.timers.tick(HOUR_MS)
  await settled()
  assert.equal(steps, 1)
  step.resolve(0)
  await settled()
  assert.equal(steps, 1)
  t.mock.timers.tick(HOUR_MS)
  assert.equal(steps, 2)
  await retention[Symbol.asyncDispose]()
})
