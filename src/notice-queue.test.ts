import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChangeEvent } from '#core/events.ts'
import { createNoticeQueue } from './notice-queue.ts'

const notice = (id: string) => ({ type: 'budget.threshold_reached', id }) as ChangeEvent

function open() {
  const state = { away: false, written: [] as string[], troubles: [] as string[] }
  const queue = createNoticeQueue({
    async record({ id }) {
      await null
      if (state.away) throw new Error('away')
      state.written.push(id)
    },
    onTrouble: (_error, { id }) => state.troubles.push(id),
  })
  return { queue, state }
}

test('what the store does not take is written when it does, in order and once', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { queue, state } = open()
  state.away = true
  for (const id of ['a', 'b']) queue.push(notice(id))
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(state, { away: true, written: [], troubles: ['a'] })
  state.away = false
  t.mock.timers.tick(1000)
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(state.written, ['a', 'b'])
})

test('a stop writes what waits, and does not wait for a store that is away', async () => {
  const { queue, state } = open()
  queue.push(notice('a'))
  queue.push(notice('b'))
  await queue[Symbol.asyncDispose]()
  assert.deepEqual(state.written, ['a', 'b'])
  state.away = true
  const other = open()
  other.state.away = true
  other.queue.push(notice('c'))
  await other.queue[Symbol.asyncDispose]()
  assert.deepEqual(other.state.written, [])
})

test('a thousand wait at most; what is dropped is told', async () => {
  const { queue, state } = open()
  for (let n = 0; n <= 1000; n++) queue.push(notice(String(n)))
  assert.deepEqual(state.troubles, ['1'])
  await queue[Symbol.asyncDispose]()
  assert.equal(state.written.length, 1000)
})
