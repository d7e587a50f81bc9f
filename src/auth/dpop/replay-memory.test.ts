import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createReplayMemory, openReplayMemory } from './replay-memory.ts'

const NOW = 1_800_000_000_000
const END = NOW + 60_000

function open(slots = 256) {
  let now = NOW
  const memory = createReplayMemory(slots, () => now)
  return {
    memory,
    replays: openReplayMemory(memory, () => now),
    at(time: number) {
      now = time
    },
  }
}

test('takes an id by a key once until its end, and then again', () => {
  const { replays, at } = open()
  assert.equal(replays.spend('key', 'a', END), 'fresh')
  assert.equal(replays.spend('key', 'a', END), 'replayed')
  at(END - 1)
  assert.equal(replays.spend('key', 'a', END), 'replayed')
  at(END)
  assert.equal(replays.spend('key', 'a', END + 60_000), 'fresh')
})

test('two views of one memory are one memory; two memories are two', () => {
  const { memory, replays } = open()
  assert.equal(replays.spend('key', 'a', END), 'fresh')
  assert.equal(openReplayMemory(memory, () => NOW).spend('key', 'a', END), 'replayed')
  assert.equal(open().replays.spend('key', 'a', END), 'fresh')
})

test('tells keys and ids apart, however they are put together', () => {
  const { replays } = open(4096)
  for (const [key, id] of [
    ['k', 'a'],
    ['k', 'b'],
    ['l', 'a'],
    ['k.a', 'b'],
  ] as const) {
    assert.equal(replays.spend(key, id, END), 'fresh', `${key} ${id}`)
  }
})

test('knows since when it remembers', () => assert.equal(open().replays.since, NOW))

test('takes nothing that it cannot remember, and all again when the time of others is over', () => {
  const { replays, at } = open()
  const taken: string[] = []
  let full = 0
  for (let n = 0; n < 100; n++) {
    if (replays.spend('key', `${n}`, END) === 'fresh') taken.push(`${n}`)
    else full++
  }
  // One key has an eighth of 256 places.
  assert.deepEqual([taken.length, full], [32, 68])
  for (const id of taken) assert.equal(replays.spend('key', id, END), 'replayed')
  assert.equal(replays.spend('key', 'more', END), 'full')
  at(END)
  for (let n = 0; n < 32; n++) assert.equal(replays.spend('key', `${n}`, END + 1000), 'fresh')
})

test('leaves room for other keys where one has used up its own', () => {
  const { replays } = open()
  for (let n = 0; n < 1000; n++) replays.spend('greedy', `${n}`, END)
  const others = Array.from({ length: 100 }, (_, n) => replays.spend(`key ${n}`, 'a', END))
  const refused = others.filter(outcome => outcome === 'full').length
  assert.ok(refused > 0 && refused < 40, `${refused} of 100`)
})

test('refuses what ended while it was written down', () => {
  assert.equal(open().replays.spend('key', 'a', NOW), 'ended')
})

test('places that were never used are free at any time, also where the count of seconds begins anew', () => {
  for (const seconds of [2 ** 20 * 1717, 2 ** 20 * 1717 - 1, 2 ** 20 * 1717 + 500, 2 ** 31 + 5, 2 ** 33]) {
    const now = seconds * 1000
    const replays = openReplayMemory(
      createReplayMemory(256, () => now),
      () => now,
    )
    for (let n = 0; n < 32; n++) assert.equal(replays.spend('key', `${n}`, now + 60_000), 'fresh')
    assert.equal(replays.spend('key', '7', now + 60_000), 'replayed')
  }
})

test('holds half of its places without refusing', () => {
  const { replays } = open(65_536)
  let full = 0
  for (let n = 0; n < 32_768; n++) if (replays.spend(`key ${n}`, 'a', END) !== 'fresh') full++
  assert.ok(full <= 50, `${full} were refused`)
})

/** A view of the memory whose clock stands at `now`, but for its `nth` reading, before which `meanwhile` happens. */
function interrupted(memory: SharedArrayBuffer, now: number, nth: number, meanwhile: () => void) {
  let readings = 0
  return openReplayMemory(memory, () => {
    if (++readings === nth) meanwhile()
    return now
  })
}

test('of two that found different places for one proof, the later finds the earlier and is refused', () => {
  const { memory, replays, at } = open()
  assert.equal(replays.spend('key', 'short', NOW + 1000), 'fresh')
  const outcomes: string[] = []
  // The second has looked through the set, and is about to write behind the first proof, when that one ends.
  const second = interrupted(memory, NOW, 2, () => {
    at(NOW + 1000)
    outcomes.push(replays.spend('key', 'a', END))
  })
  outcomes.push(second.spend('key', 'a', END))
  assert.deepEqual(outcomes, ['fresh', 'replayed'])
})

test('who was held up until the proof had ended and its place was another’s is refused', () => {
  const { memory, replays, at } = open()
  const end = NOW + 1000
  assert.equal(replays.spend('key', 'a', end), 'fresh')
  let now = end - 1
  const late = openReplayMemory(memory, () => {
    const read = now
    if (now < end) {
      now = end
      at(end)
      assert.equal(replays.spend('key', 'next', END), 'fresh')
    }
    return read
  })
  assert.equal(late.spend('key', 'a', end), 'ended')
})

test('a place that another took between the look and the write is not written over', () => {
  const { memory, replays } = open()
  const outcomes: string[] = []
  const second = interrupted(memory, NOW, 2, () => outcomes.push(replays.spend('key', 'b', END)))
  outcomes.push(second.spend('key', 'a', END), replays.spend('key', 'b', END), replays.spend('key', 'a', END))
  assert.deepEqual(outcomes, ['fresh', 'fresh', 'replayed', 'replayed'])
})
