import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KeyLife } from './key-source.ts'
import { createRefetchGate, NEGATIVE_MS } from './refetch-gate.ts'

const life: KeyLife = { refreshMs: 600_000, maxStaleMs: 86_400_000, refetchMs: 10_000, refetchBurst: 3 }

test('a flood from everywhere has the burst, and then one in each interval', () => {
  const allows = createRefetchGate(life)
  let allowed = 0
  for (let n = 0; n < 100_000; n++)
    if (allows(`kid-${n}`, `2001:db8:${(n % 5000).toString(16)}::1`, n) === 'done') allowed++
  // 100 s: three at once and one every ten seconds.
  assert.ok(allowed >= 12 && allowed <= 13, `${allowed}`)
})

test('one source has one in each interval and leaves the burst to others', () => {
  const allows = createRefetchGate(life)
  const flood = Array.from({ length: 1000 }, (_, n) => allows(`kid-${n}`, '192.0.2.1', n))
  assert.equal(flood.filter(verdict => verdict === 'done').length, 1)
  assert.equal(flood.at(-1), 'source_spent')
  assert.equal(allows('rotated', '192.0.2.2', 1000), 'done')
  assert.equal(allows('another', '192.0.2.1', 9999), 'source_spent')
  assert.equal(allows('another', '192.0.2.1', 10_000), 'done')
})

test('a name that was looked for in vain is not looked for again before its time, whoever asks', () => {
  const allows = createRefetchGate(life)
  assert.equal(allows('gone', '192.0.2.1', 0), 'done')
  assert.equal(allows('gone', '192.0.2.2', NEGATIVE_MS - 1), 'in_vain')
  assert.equal(allows('gone', '192.0.2.2', NEGATIVE_MS), 'done')
})

test('asking for a name in vain again takes of no budget', () => {
  const allows = createRefetchGate(life)
  allows('gone', '192.0.2.1', 0)
  for (let n = 0; n < 100; n++) allows('gone', '192.0.2.2', 1)
  assert.equal(allows('new', '192.0.2.2', 1), 'done')
})

test('a name that was not looked for is not in vain: the budget of the issuer was spent, or it is forgotten', () => {
  const allows = createRefetchGate(life)
  for (let n = 0; n < life.refetchBurst; n++) allows(`kid-${n}`, `192.0.2.${n}`, 0)
  assert.equal(allows('new', '192.0.2.8', 0), 'issuer_spent')
  // Of its own share a source has had its part: whoever floods is told so once.
  assert.equal(allows('new', '192.0.2.8', 1), 'source_spent')
  assert.equal(allows('new', '192.0.2.9', 10_000), 'done')
  allows.forget('new')
  assert.equal(allows('new', '192.0.2.7', 20_000), 'done')
})
