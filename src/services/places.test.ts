import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Problem } from '#core/problems.ts'
import { Places } from './places.ts'

const open = (connections: number, waitMs = 60_000) => new Places({ connections, waitMs })
const isBusy = (error: unknown) => error instanceof Problem && error.code === 'limits.service_busy'

test('one caller has half of the places, and others find the rest free', () => {
  const places = open(4)
  const mine = [1, 2, 3].map(() => places.enter('me'))
  assert.deepEqual(
    mine.map(({ ready }) => ready === null),
    [true, true, false],
  )
  assert.equal(places.enter('other').ready, null)
  assert.equal(places.enter('other').ready, null)
  assert.notEqual(places.enter('third').ready, null, 'all four are taken')
  for (const { leave } of mine) leave()
})

test('who waits gets the place of who leaves, in turn and within the share', async () => {
  const places = open(2)
  const first = places.enter('me')
  const second = places.enter('me')
  const other = places.enter('other')
  const third = places.enter('third')
  assert.equal(other.ready, null)
  const went: string[] = []
  void second.ready?.then(() => went.push('me'))
  void third.ready?.then(() => went.push('third'))
  other.leave()
  other.leave()
  await turn()
  assert.deepEqual(went, ['third'], 'mine is one already')
  first.leave()
  await turn()
  assert.deepEqual(went, ['third', 'me'])
  second.leave()
  third.leave()
  assert.equal(places.enter('me').ready, null)
  assert.equal(places.enter('other').ready, null)
})

test('no more wait than there is room for, of one caller and of all', () => {
  const places = open(2)
  const placed = Array.from({ length: 3 }, () => places.enter('me'))
  assert.throws(() => places.enter('me'), isBusy)
  placed.push(places.enter('other'), places.enter('other'), places.enter('third'))
  assert.throws(() => places.enter('third'), isBusy, 'four wait')
  for (const { leave } of placed) leave()
  assert.equal(places.enter('me').ready, null)
})

test('who gives up waiting, or waits too long, leaves no trace', async () => {
  const places = open(1, 20)
  const first = places.enter('me')
  const late = places.enter('other')
  await assert.rejects(late.ready ?? Promise.resolve(), isBusy)
  const gone = places.enter('other')
  gone.leave()
  await assert.rejects(gone.ready ?? Promise.resolve(), isBusy)
  first.leave()
  late.leave()
  const next = places.enter('other')
  assert.equal(next.ready, null)
  next.leave()
})
