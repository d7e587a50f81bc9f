import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFailedAttempts } from './failed-attempts.ts'

const tooMany = { code: 'admin.too_many_failures' }

/** How many of `attempts` wrong credentials of a source are answered without a word of too many. */
async function taken(source: string, attempts: number, count: (source: string) => Promise<void>): Promise<number> {
  const all = await Promise.allSettled(Array.from({ length: attempts }, () => count(source)))
  return all.filter(({ status }) => status === 'fulfilled').length
}

test('a source has thirty wrong credentials, and thirty more a minute later', async () => {
  let now = 0
  const { count } = createFailedAttempts({ clock: () => now, holdMs: 0 })
  assert.equal(await taken('10.0.0.1', 40, count), 30)
  await assert.rejects(count('10.0.0.1'), tooMany)
  assert.equal(await taken('10.0.0.2', 1, count), 1, 'another source has its own')
  now += 2000
  assert.equal(await taken('10.0.0.1', 5, count), 1)
  now += 600_000
  assert.equal(await taken('10.0.0.1', 40, count), 30)
})

test('an IPv6 network of one host is one source', async () => {
  const { count } = createFailedAttempts({ clock: () => 0, holdMs: 0 })
  for (let n = 0; n < 30; n++) await count(`2001:db8::${n}`)
  await assert.rejects(count('2001:db8::ffff'), tooMany)
  await count('2001:db8:0:1::1')
})

test('answers beyond the budget are late, but not more than sixty-four at a time', async () => {
  const { count } = createFailedAttempts({ clock: () => 0, holdMs: 60_000 })
  assert.equal(await taken('10.0.0.1', 30, count), 30)
  const held = Array.from({ length: 64 }, () => {
    let late = true
    void count('10.0.0.1').catch(() => (late = false))
    return () => late
  })
  await assert.rejects(count('10.0.0.1'), tooMany, 'at once')
  assert.ok(held.every(isLate => isLate()))
})

test('sources beyond the bound share one budget, until others are forgotten', async () => {
  let now = 0
  const { count } = createFailedAttempts({ clock: () => now, holdMs: 0 })
  for (let n = 0; n < 1024; n++) await count(`10.1.${n >> 8}.${n & 255}`)
  for (let n = 0; n < 30; n++) await count(`10.2.0.${n}`)
  await assert.rejects(count('10.2.0.200'), tooMany)
  now += 60_000
  await count('10.2.0.201')
})
