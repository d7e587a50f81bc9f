import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#core/problems.ts'
import { startExpiryWarnings } from './expiry-warnings.ts'

const NOW = 1_800_000_000_000
const settled = () => new Promise(resolve => setImmediate(resolve))

test('looks at once and every minute, until there are none left; goes on after the store was away', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const spans: number[] = []
  const troubles: unknown[] = []
  const left = [100, 100, 3, 0, 0]
  let down = false
  const warnings = startExpiryWarnings({
    store: {
      async warnExpiring({ now, end, limit }) {
        if (down) throw new Problem('store.unavailable')
        assert.deepEqual([now, limit], [NOW, 100])
        spans.push(end - now)
        return left.shift() ?? 0
      },
    },
    clock: () => NOW,
    onTrouble: error => troubles.push(error),
  })
  await settled()
  assert.deepEqual(
    spans,
    [7, 7, 7].map(days => days * 86_400_000),
  )
  down = true
  t.mock.timers.tick(60_000)
  await settled()
  assert.equal(troubles.length, 1)
  down = false
  t.mock.timers.tick(60_000)
  await settled()
  assert.equal(spans.length, 4)
  await warnings[Symbol.asyncDispose]()
  t.mock.timers.tick(60_000)
  await settled()
  assert.equal(spans.length, 4)
})
