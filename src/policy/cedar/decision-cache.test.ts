import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { VerifiedIdentity } from '#core/principal.ts'
import { DecisionCache } from './decision-cache.ts'

const somebody = () => ({ id: 'key_1' }) as VerifiedIdentity

test('remembers by the object that a caller is, not by its name', () => {
  const cache = new DecisionCache<number>()
  const [one, other] = [somebody(), somebody()]
  cache.set(one, 'a', 1)
  assert.deepEqual([cache.get(one, 'a'), cache.get(one, 'b'), cache.get(other, 'a')], [1, undefined, undefined])
})

test('forgets what it knows of a caller who asks for more than 1024 things', () => {
  const cache = new DecisionCache<number>()
  const [one, other] = [somebody(), somebody()]
  cache.set(other, 'a', 7)
  for (let n = 0; n < 1024; n++) cache.set(one, `${n}`, n)
  assert.equal(cache.get(one, '0'), 0)
  cache.set(one, '1024', 1024)
  assert.deepEqual([cache.get(one, '0'), cache.get(one, '1024'), cache.get(other, 'a')], [undefined, 1024, 7])
})

test('forgets everything rather than hold more than 65,536 decisions', () => {
  const cache = new DecisionCache<number>()
  const callers = Array.from({ length: 65_537 }, somebody)
  for (const [n, caller] of callers.entries()) {
    cache.set(caller, 'a', n)
    if (n === 65_535) assert.equal(cache.get(callers[0] as VerifiedIdentity, 'a'), 0)
  }
  const known = callers.filter(caller => cache.get(caller, 'a') !== undefined)
  assert.deepEqual(known, [callers.at(-1)])
})
