import assert from 'node:assert/strict'
import { it } from 'node:test'
import { compileConcurrency } from './compiled-limit.ts'
import { CounterDirectory } from './counter-directory.ts'
import { CounterMemory, createLimitsMemory } from './counter-memory.ts'

it('a worker remembers the places of 32,768 counters, and finds the others in the table', () => {
  const directory = new CounterDirectory(new CounterMemory(createLimitsMemory({ workers: 1 })), 1)
  const rule = { name: 'a', unit: 'concurrency', amount: 1, per: ['key'], models: null, operations: null } as const
  const limit = compileConcurrency('config', rule)
  const find = (key: number) => {
    const facts = { project: 'p', key: `key-${key}`, network: 'n', operation: 'o' }
    return directory.find(limit, facts, '', 0, 0).slot
  }
  const places = Array.from({ length: 32_770 }, (_, key) => find(key))
  assert.equal(new Set(places).size, places.length)
  assert.equal(directory.size, 32_768)
  assert.deepEqual([find(0), find(1), find(32_769)], [places[0], places[1], places[32_769]])
  assert.equal(directory.size, 32_768)
})
