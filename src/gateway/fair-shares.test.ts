import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FairShares } from './fair-shares.ts'

/** Seconds of a worker on which projects ask for so many calls a second; what each was granted a second, on the average. */
function run(shares: FairShares, demand: Readonly<Record<string, number>>, seconds: number, capacity: number) {
  const granted: Record<string, number> = {}
  const SAMPLE_MS = 20
  for (let ms = 0; ms < seconds * 1000; ms += SAMPLE_MS) {
    let used = 0
    for (const [project, calls] of Object.entries(demand)) {
      for (let n = 0; n < (calls * SAMPLE_MS) / 1000; n++) {
        if (!shares.admits(project)) continue
        shares.charge(project, 1, 0)
        used++
        if (ms >= 2000) granted[project] = (granted[project] ?? 0) + 1 / (seconds - 2)
      }
    }
    shares.adjust(used > (capacity * SAMPLE_MS) / 1000, SAMPLE_MS)
  }
  return granted
}

test('admits everything while the worker keeps up', () => {
  const granted = run(new FairShares(), { greedy: 3000, small: 100 }, 4, 10_000)
  assert.deepEqual([Math.round(granted.greedy ?? 0), Math.round(granted.small ?? 0)], [3000, 100])
})

test('who stays within a share is served as if alone; who asks for more gets the rest', () => {
  const granted = run(new FairShares(), { greedy: 20_000, small: 100, medium: 1000 }, 10, 4000)
  assert.ok(Math.abs((granted.small ?? 0) - 100) < 1, JSON.stringify(granted))
  assert.ok((granted.medium ?? 0) > 900, JSON.stringify(granted))
  assert.ok((granted.greedy ?? 0) > 1000 && (granted.greedy ?? 0) < 4000, JSON.stringify(granted))
})

test('two that ask for too much get about the same, however much each asks for', () => {
  const granted = run(new FairShares(), { one: 20_000, other: 5000 }, 10, 4000)
  const ratio = (granted.one ?? 0) / (granted.other ?? 1)
  assert.ok(ratio > 0.7 && ratio < 1.4, JSON.stringify(granted))
})

test('bytes count, not only calls', () => {
  const shares = new FairShares()
  shares.charge('bulky', 1, 50 * 1024 * 1024)
  for (let n = 0; n < 10; n++) shares.charge('small', 1, 1024)
  for (let n = 0; n < 5; n++) shares.adjust(true, 1)
  assert.deepEqual([shares.admits('bulky'), shares.admits('small')], [false, true])
})

test('alone, a project is slowed down and not shut out', () => {
  const granted = run(new FairShares(), { only: 50_000 }, 10, 2000)
  assert.ok((granted.only ?? 0) > 500 && (granted.only ?? 0) < 4000, JSON.stringify(granted))
})

test('forgets: what was spent seconds ago refuses nobody now', () => {
  const shares = new FairShares()
  for (let n = 0; n < 10_000; n++) shares.charge('p', 1, 0)
  for (let n = 0; n < 20; n++) shares.adjust(true, 20)
  assert.equal(shares.admits('p'), false)
  for (let n = 0; n < 500; n++) shares.adjust(false, 20)
  assert.equal(shares.admits('p'), true)
})

test('projects beyond the bound are counted together, and those known by themselves', () => {
  const shares = new FairShares()
  for (let n = 0; n < 1024; n++) shares.charge(`p${n}`, 1, 0)
  for (let n = 0; n < 50_000; n++) shares.charge(`more${n}`, 1, 0)
  for (let n = 0; n < 5; n++) shares.adjust(true, 20)
  assert.equal(shares.admits('p7'), true)
  assert.equal(shares.admits('more7'), false)
})
