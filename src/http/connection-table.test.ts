import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { createConnectionMemory, forgetConnections, openConnectionTable } from './connection-table.ts'

const NOW = 1_800_000_000_000

/** Tables of two workers over one memory. */
function setUp({ maxConnections = 4, maxNewPerSecond = 1000, connections = 1000 } = {}) {
  const memory = createConnectionMemory(2, connections, 12345)
  const state = { now: NOW }
  const open = (worker: number) =>
    openConnectionTable({ memory, worker, maxConnections, maxNewPerSecond, clock: () => state.now })
  return { memory, state, one: open(1), two: open(2) }
}

function admitted(slot: number | string): number {
  assert.equal(typeof slot, 'number', String(slot))
  return slot as number
}

test('the cap holds over all workers, and for each network by itself', () => {
  const { one, two } = setUp()
  const slots = [one, two, one, two].map(table => admitted(table.enter('10.0.0.1')))
  assert.equal(one.enter('10.0.0.1'), 'connections')
  assert.equal(two.enter('10.0.0.1'), 'connections')
  assert.equal(two.enter('::ffff:10.0.0.1'), 'connections', 'IPv4 in IPv6 is IPv4')
  admitted(one.enter('10.0.0.2'))
  two.leave(slots[1] as number)
  admitted(one.enter('10.0.0.1'))
  assert.equal(two.enter('10.0.0.1'), 'connections')
})

test('an IPv6 /64 is one network, the next one is another', () => {
  const { one, two } = setUp()
  for (const host of ['::1', '::2', 'ffff::9', '1:2:3:4'])
    admitted(one.enter(`2001:db8:1:2:${host.replace('::', '0:0:0:')}`))
  assert.equal(two.enter('2001:db8:1:2::77'), 'connections')
  admitted(two.enter('2001:db8:1:3::77'))
  admitted(two.enter('::1'))
})

test('what a dead worker held is dropped, and nothing else', () => {
  const { memory, one, two } = setUp()
  for (const table of [one, one, one, two]) admitted(table.enter('10.0.0.1'))
  assert.equal(two.enter('10.0.0.1'), 'connections')
  forgetConnections(memory, 1)
  for (let n = 0; n < 3; n++) admitted(two.enter('10.0.0.1'))
  assert.equal(two.enter('10.0.0.1'), 'connections')
})

test('a lock that a worker died with is released with its share', () => {
  const { memory, one, two } = setUp()
  admitted(one.enter('10.0.0.1'))
  const words = new Int32Array(memory)
  // Every set locked by worker 1, as one that was ended in the middle leaves its own.
  const setLength = (words.length - 4) / (words[1] as number)
  for (let set = 4; set < words.length; set += setLength) words[set] = 1
  assert.equal(two.enter('10.0.0.1'), -1, 'admitted, counted nowhere')
  forgetConnections(memory, 1)
  for (let n = 0; n < 4; n++) admitted(two.enter('10.0.0.1'))
  assert.equal(two.enter('10.0.0.1'), 'connections')
})

test('new connections are counted by the second, refused ones too long as they are within it', () => {
  const { one, two, state } = setUp({ maxConnections: 1000, maxNewPerSecond: 5 })
  const open = () => {
    let count = 0
    for (const table of [one, two, one, two, one, two, one, two]) if (table.enter('10.0.0.1') !== 'rate') count++
    return count
  }
  assert.equal(open(), 5)
  state.now += 1000
  assert.equal(open(), 5)
  assert.equal(typeof one.enter('10.0.0.2'), 'number')
})

test('more networks than there is room for: no two are merged, none that has connections is forgotten', () => {
  const { one, two } = setUp({ maxConnections: 2, connections: 32 })
  const address = (n: number) => `10.1.${n >> 8}.${n & 255}`
  const counted = new Set<number>()
  for (let n = 0; n < 1000; n++) if (admitted(one.enter(address(n))) !== -1) counted.add(n)
  assert.equal(counted.size, 64, 'as many as there are slots')
  for (const n of counted) {
    admitted(two.enter(address(n)))
    assert.equal(two.enter(address(n)), 'connections', address(n))
  }
})

test('a slot without connections is taken by the next network', () => {
  const { one } = setUp({ maxConnections: 1, connections: 8 })
  for (let n = 0; n < 1000; n++) {
    const slot = admitted(one.enter(`10.2.${n >> 8}.${n & 255}`))
    assert.notEqual(slot, -1)
    assert.equal(one.enter(`10.2.${n >> 8}.${n & 255}`), 'connections')
    one.leave(slot)
  }
})

test('threads that come and go at once leave nothing behind, and never exceed the cap', async () => {
  const memory = createConnectionMemory(4, 64, 7)
  const script = `
    const { workerData, parentPort } = require('node:worker_threads')
    const { memory, worker, file } = workerData
    import(file).then(({ openConnectionTable }) => {
      const table = openConnectionTable({ memory, worker, maxConnections: 6, maxNewPerSecond: 1e9, clock: Date.now })
      const held = []
      let admitted = 0
      for (let n = 0; n < 50000; n++) {
        // Few addresses in few sets: all threads meet.
        const slot = table.enter('10.0.0.' + (n % 5))
        if (typeof slot === 'number') { admitted++; held.push(slot) }
        if (held.length > 8) table.leave(held.shift())
      }
      for (const slot of held) table.leave(slot)
      parentPort.postMessage(admitted)
    })`
  const file = new URL('./connection-table.ts', import.meta.url).href
  const answers = [1, 2, 3, 4].map(async worker => {
    const thread = new Worker(script, { eval: true, workerData: { memory, worker, file } })
    return (await once(thread, 'message'))[0] as number
  })
  for (const admittedThere of await Promise.all(answers)) assert.ok(admittedThere > 0)
  const table = openConnectionTable({ memory, worker: 1, maxConnections: 6, maxNewPerSecond: 1e9, clock: Date.now })
  for (let n = 0; n < 5; n++) {
    for (let i = 0; i < 6; i++) admitted(table.enter(`10.0.0.${n}`))
    assert.equal(table.enter(`10.0.0.${n}`), 'connections')
  }
})
