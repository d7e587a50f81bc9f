import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AddressLists } from './address-lists.ts'
import { compileAccess } from './compile-access.ts'

const lists = (allow: string[] | null, deny: string[] | null = null): AddressLists => ({ allow, deny })

const cases: readonly (readonly [readonly AddressLists[], allowed: string[], refused: string[]])[] = [
  [[lists(['10.0.0.0/8'])], ['10.0.0.1', '::ffff:10.0.0.1'], ['11.0.0.1', '::1', '']],
  [
    [lists(null, ['10.0.0.0/8'])],
    ['11.0.0.1', '::1'],
    ['10.0.0.1', '::ffff:10.0.0.1', '', 'unknown', '10.0.0.1, 11.0.0.1'],
  ],
  [[lists(['10.0.0.0/8'], ['10.1.0.0/16'])], ['10.2.0.1'], ['10.1.0.1', '11.0.0.1']],
  // What one denies, no other saves.
  [[lists(['10.1.0.0/16']), lists(null, ['10.0.0.0/8'])], [], ['10.1.0.1', '11.0.0.1']],
  [[lists(['10.0.0.0/8']), lists(['10.1.0.0/16'])], ['10.1.0.1'], ['10.2.0.1', '11.0.0.1']],
  [[lists(null), lists(['::1'])], ['::1'], ['127.0.0.1']],
  // What could not have been stored allows nobody, and denies everybody.
  [[lists(['10.0.0.1/8'])], [], ['10.0.0.1']],
  [[lists(null, ['10.0.0.1/8'])], [], ['11.0.0.1', '10.0.0.1']],
]
for (const [given, allowed, refused] of cases) {
  test(`${JSON.stringify(given)} allow ${allowed.join(' and ') || 'nobody'}, and not ${refused.join(' or ')}`, () => {
    const allows = compileAccess(...given)
    assert.ok(allows)
    for (const address of allowed) assert.equal(allows(address), true, address)
    for (const address of refused) assert.equal(allows(address), false, address)
  })
}

test('where nothing is said there is no check', () => {
  assert.equal(compileAccess(), null)
  assert.equal(compileAccess(lists(null), lists(null)), null)
})
