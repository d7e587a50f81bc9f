import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endDrain, MAX_DRAINS, startDrain, stopDrains } from './drains.ts'

test('takes no more than the bound, and again as soon as one has ended', t => {
  t.after(stopDrains)
  const stops = Array.from({ length: MAX_DRAINS }, () => () => {})
  for (const stop of stops) assert.equal(startDrain(stop, 60_000), true)
  const next = () => {}
  assert.equal(startDrain(next, 60_000), false)
  endDrain(stops[7] as () => void)
  assert.equal(startDrain(next, 60_000), true)
  assert.equal(
    startDrain(() => {}, 60_000),
    false,
  )
})

test('stops each when its time is over or all end, once, and none that has ended', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const stopped: string[] = []
  const stop = (name: string) => () => {
    stopped.push(name)
    endDrain(stops[name] as () => void)
  }
  const stops: Record<string, () => void> = {}
  for (const name of ['short', 'ended', 'long']) stops[name] = stop(name)
  startDrain(stops.short as () => void, 10)
  startDrain(stops.ended as () => void, 20)
  startDrain(stops.long as () => void, 1000)
  t.mock.timers.tick(10)
  endDrain(stops.ended as () => void)
  t.mock.timers.tick(100)
  assert.deepEqual(stopped, ['short'])
  stopDrains()
  t.mock.timers.tick(1000)
  assert.deepEqual(stopped, ['short', 'long'])
})
