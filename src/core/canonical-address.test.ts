import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalAddress } from './canonical-address.ts'

for (const [text, address] of [
  ['192.0.2.1', '192.0.2.1'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
  ['::1', '::1'],
  ['::', '::'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:C000:0201', '192.0.2.1'],
  ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
  ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
  ['fe80::1%eth0', null],
  ['192.0.2.1 ', null],
  ['192.0.2.256', null],
  ['192.0.2', null],
  ['010.0.0.1', null],
  ['0x7f.0.0.1', null],
  ['3221225985', null],
  ['[::1]', null],
  ['::g', null],
  ['', null],
  ['localhost', null],
] as const) {
  test(`${JSON.stringify(text)} is ${address ?? 'no address'}`, () => assert.equal(canonicalAddress(text), address))
}
