import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromUsd, showUsd, toUsd } from './money.ts'

test('dollars are exact, however many', () => {
  const written = [0n, 1n, 75n, 1_000_000_000n, 12_500_000_000n, 27_021_597_764_222_973n].map(toUsd)
  assert.deepEqual(written, ['0', '0.000000001', '0.000000075', '1', '12.5', '27021597.764222973'])
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), nano => fromUsd(toUsd(nano)) === nano))
})

test('people see hundredths of a cent, and that little is not nothing', () => {
  assert.deepEqual([0n, 1n, 49_999n, 50_000n, 149_999n, 1_234_567_891_234_567n].map(showUsd), [
    '$0.0000',
    '<$0.0001',
    '<$0.0001',
    '$0.0001',
    '$0.0001',
    '$1,234,567.8912',
  ])
})
