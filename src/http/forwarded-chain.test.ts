import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { MAX_CHAIN_ENTRIES, MAX_CHAIN_LENGTH, readForwarded, readForwardedFor } from './forwarded-chain.ts'

const many = (count: number) => Array(count).fill('192.0.2.1')

const forwardedFor: readonly (readonly [string, readonly string[] | null])[] = [
  ['192.0.2.1', ['192.0.2.1']],
  ['192.0.2.1, 198.51.100.2', ['192.0.2.1', '198.51.100.2']],
  ['192.0.2.1,198.51.100.2', ['192.0.2.1', '198.51.100.2']],
  [' \t192.0.2.1\t ,\t198.51.100.2 ', ['192.0.2.1', '198.51.100.2']],
  ['192.0.2.1:4711', ['192.0.2.1']],
  ['2001:DB8::1', ['2001:db8::1']],
  ['[2001:db8::1]', ['2001:db8::1']],
  ['[2001:db8::1]:443', ['2001:db8::1']],
  ['::ffff:192.0.2.1', ['192.0.2.1']],
  ['[::ffff:192.0.2.1]:80', ['192.0.2.1']],
  ['::1', ['::1']],
  [many(MAX_CHAIN_ENTRIES).join(','), many(MAX_CHAIN_ENTRIES)],
  [many(MAX_CHAIN_ENTRIES + 1).join(','), null],
  [`${' '.repeat(MAX_CHAIN_LENGTH)}192.0.2.1`, null],
  ['', null],
  [' ', null],
  [',', null],
  ['192.0.2.1,', null],
  [',192.0.2.1', null],
  ['192.0.2.1,,198.51.100.2', null],
  ['unknown', null],
  ['unknown, 192.0.2.1', null],
  ['_hidden', null],
  ['localhost', null],
  ['192.0.2.1 198.51.100.2', null],
  ['192.0.2.1;198.51.100.2', null],
  ['192.0.2.1:', null],
  ['192.0.2.1:99999', null],
  ['192.0.2.1:-1', null],
  ['192.0.2.1:80:80', null],
  ['192.0.2.1/32', null],
  ['192.0.2', null],
  ['010.0.0.1', null],
  ['3221225985', null],
  ['"192.0.2.1"', null],
  ['[192.0.2.1]', null],
  ['[2001:db8::1', null],
  ['2001:db8::1]', null],
  ['[2001:db8::1]80', null],
  ['[2001:db8::1]:99999', null],
  ['fe80::1%eth0', null],
  ['[fe80::1%25eth0]', null],
  ['2001:db8::g', null],
  ['192.0.2.1\u00a0', null],
  ['192.0.2.1\0', null],
  ['for=192.0.2.1', null],
]
for (const [header, chain] of forwardedFor) {
  test(`X-Forwarded-For: ${JSON.stringify(header.slice(0, 80))}`, () =>
    assert.deepEqual(readForwardedFor(header), chain))
}

const forwarded: readonly (readonly [string, readonly string[] | null])[] = [
  ['for=192.0.2.1', ['192.0.2.1']],
  ['For=192.0.2.1;Proto=https;by=203.0.113.43', ['192.0.2.1']],
  ['proto=https;for=192.0.2.1', ['192.0.2.1']],
  ['for=192.0.2.1, for=198.51.100.2', ['192.0.2.1', '198.51.100.2']],
  ['for="192.0.2.1:4711"', ['192.0.2.1']],
  ['for="[2001:db8:cafe::17]:4711"', ['2001:db8:cafe::17']],
  ['for="[2001:db8:cafe::17]"', ['2001:db8:cafe::17']],
  ['for="[::ffff:192.0.2.1]"', ['192.0.2.1']],
  ['for=192.0.2.1;host="a, for=198.51.100.2"', ['192.0.2.1']],
  ['for="192.0.2.\\1"', ['192.0.2.1']],
  ['for=192.0.2.1 ; proto=http , for=198.51.100.2', ['192.0.2.1', '198.51.100.2']],
  [
    many(MAX_CHAIN_ENTRIES)
      .map(a => `for=${a}`)
      .join(','),
    many(MAX_CHAIN_ENTRIES),
  ],
  [
    many(MAX_CHAIN_ENTRIES + 1)
      .map(a => `for=${a}`)
      .join(','),
    null,
  ],
  [`for=192.0.2.1;x=${'a'.repeat(MAX_CHAIN_LENGTH)}`, null],
  ['', null],
  ['192.0.2.1', null],
  ['for', null],
  ['for=', null],
  ['for=unknown', null],
  ['for=_hidden', null],
  ['for="_SEVKISEK"', null],
  ['for="unknown:80"', null],
  ['proto=https', null],
  ['for=192.0.2.1, proto=https', null],
  ['for=192.0.2.1;for=198.51.100.2', null],
  ['for=192.0.2.1;FOR=198.51.100.2', null],
  ['for=192.0.2.1,', null],
  [',for=192.0.2.1', null],
  ['for=192.0.2.1;', null],
  ['for=192.0.2.1;;proto=https', null],
  ['for=192.0.2.1,,for=198.51.100.2', null],
  ['for=192.0.2.1:80', null],
  ['for=[2001:db8::1]', null],
  ['for="2001:db8::1"', null],
  ['for="[fe80::1%25eth0]"', null],
  ['for = 192.0.2.1', null],
  // The client’s quote, which the proxy’s own entry would vanish in.
  ['for="192.0.2.1, for=198.51.100.2', null],
  ['for=192.0.2.1;host="x, for=198.51.100.2', null],
  ['for="192.0.2.1\\"', null],
  ['for=192.0.2.1 for=198.51.100.2', null],
]
for (const [header, chain] of forwarded) {
  test(`Forwarded: ${JSON.stringify(header.slice(0, 80))}`, () => assert.deepEqual(readForwarded(header), chain))
}

const anything = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'for=";,:[] .1298abf\\%\t_') }),
  fc.string({ unit: 'binary' }),
)

test('answers addresses or nothing, whatever is sent, and is done with it at once', () => {
  fc.assert(
    fc.property(anything, header => {
      for (const read of [readForwardedFor, readForwarded]) {
        for (const address of read(header) ?? []) assert.notEqual(isIP(address), 0, address)
      }
    }),
    { numRuns: 20_000 },
  )
  const hostile = ['for="', 'for=a;', '"'.repeat(9), ' ', '\t,', 'for=1.2.3.4 ', 'a=b;'].map(part => part.repeat(4000))
  const began = performance.now()
  for (const text of hostile.flatMap(text => [
    text.slice(0, MAX_CHAIN_LENGTH),
    `${text.slice(0, MAX_CHAIN_LENGTH - 1)}"`,
  ])) {
    readForwarded(text)
    readForwardedFor(text)
  }
  assert.ok(performance.now() - began < 500)
})

test('whatever a client puts before it, the entry of the proxy is the last, or all is refused', () => {
  fc.assert(
    fc.property(anything, sent => {
      assert.equal((readForwardedFor(`${sent}, 198.51.100.2`) ?? ['198.51.100.2']).at(-1), '198.51.100.2')
      assert.equal((readForwarded(`${sent}, for=198.51.100.2`) ?? ['198.51.100.2']).at(-1), '198.51.100.2')
    }),
    { numRuns: 20_000 },
  )
})
