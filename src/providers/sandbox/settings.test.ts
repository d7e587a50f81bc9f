import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidRequest } from './invalid-request.ts'
import { parseSettings, type SandboxSettings } from './settings.ts'

const defaults: SandboxSettings = { latencyMs: 1, chunks: 2, chunkDelayMs: 3, failure: 'none' }

test('keeps the defaults without a header', () => {
  assert.equal(parseSettings(undefined, defaults), defaults)
})

test('overrides only what the header names', () => {
  assert.deepEqual(parseSettings('chunks=1000', defaults), { ...defaults, chunks: 1000 })
  assert.deepEqual(parseSettings('latency=60000,\tchunks=5 ,delay=10000, fail=overloaded', defaults), {
    latencyMs: 60_000,
    chunks: 5,
    chunkDelayMs: 10_000,
    failure: 'overloaded',
  })
})

for (const failure of ['none', 'error', 'overloaded', 'reset', 'garbage', 'hang']) {
  test(`knows the failure ${failure}`, () => {
    assert.equal(parseSettings(`fail=${failure}`, defaults).failure, failure)
  })
}

const bad = [
  '',
  ' ',
  ',',
  'latency',
  'latency=',
  '=5',
  'latency=5,',
  'latency=5 chunks=2',
  'latency=5;chunks=2',
  'Latency=5',
  'latency = 5',
  'latency=-1',
  'latency=1.5',
  'latency=1e3',
  'latency=0x10',
  'latency=60001',
  'latency=9999999999',
  'latency=ms',
  'latency=١',
  'chunks=0',
  'chunks=1001',
  'delay=10001',
  'fail=',
  'fail=never',
  'fail=None',
  'latency=1, latency=1',
  'speed=1',
  'constructor=1',
  'latency=5\n',
  'latency="5"',
]
for (const header of bad) {
  test(`refuses ${JSON.stringify(header)}`, () => {
    assert.throws(() => parseSettings(header, defaults), InvalidRequest)
  })
}
