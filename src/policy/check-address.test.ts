import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compileAddresses } from '#core/compile-addresses.ts'
import type { Principal } from '#core/principal.ts'
import { checkAddress } from './check-address.ts'

const cases: readonly (readonly [cidrs: string[], address: string, inside: boolean])[] = [
  [['10.0.0.0/8'], '10.255.255.255', true],
  [['10.0.0.0/8'], '11.0.0.0', false],
  [['10.0.0.0/8'], '9.255.255.255', false],
  [['10.0.0.0/8'], '::ffff:10.1.2.3', true],
  [['10.0.0.0/8'], '::FFFF:10.1.2.3', true],
  [['10.0.0.0/8'], '::ffff:11.1.2.3', false],
  [['10.0.0.0/8'], '::10.1.2.3', false],
  [['192.168.1.7'], '192.168.1.7', true],
  [['192.168.1.7'], '192.168.1.70', false],
  [['0.0.0.0/0'], '203.0.113.9', true],
  [['0.0.0.0/0'], '2001:db8::1', false],
  [['::/0'], '2001:db8::1', true],
  [['::/0'], '203.0.113.9', false],
  // What leads to an IPv4 host is that host, whatever block of IPv6 covers its notation.
  [['::/0'], '::ffff:203.0.113.9', false],
  [['2001:db8::/33'], '2001:db8:7fff::1', true],
  [['2001:db8::/33'], '2001:db8:8000::1', false],
  [['fe80::/10'], 'fe80::1%eth0', true],
  [['fe80::/10'], 'febf::1', true],
  [['fe80::/10'], 'fec0::1', false],
  [['::1'], '::1', true],
  [['10.0.0.0/8', '::1'], '::1', true],
  [['10.0.0.0/8'], '', false],
  [['10.0.0.0/8'], '10.0.0.1, 11.0.0.1', false],
  [['10.0.0.0/8'], 'unknown', false],
  // What could not have been stored allows nobody.
  [['10.0.0.1/8'], '10.0.0.1', false],
  [[], '10.0.0.1', false],
]
for (const [cidrs, address, inside] of cases) {
  test(`${JSON.stringify(address)} is ${inside ? '' : 'not '}in ${cidrs.join(' and ') || 'nothing'}`, () => {
    assert.equal(compileAddresses(cidrs)(address), inside)
  })
}

const groups = (bits: bigint) =>
  Array.from({ length: 8 }, (_, i) => ((bits >> BigInt(112 - 16 * i)) & 0xffffn).toString(16)).join(':')
const quad = (bits: bigint) => [24n, 16n, 8n, 0n].map(shift => (bits >> shift) & 255n).join('.')

for (const [family, width, write] of [
  ['IPv4', 32, quad],
  ['IPv6', 128, groups],
] as const) {
  test(`${family}: is inside exactly where the first bits are the same, for every length of prefix`, () => {
    const bits = fc.bigInt(0n, 2n ** BigInt(width) - 1n)
    fc.assert(
      fc.property(
        bits,
        bits,
        fc.integer({ min: 0, max: width }),
        fc.integer({ min: 0, max: width }),
        (a, noise, prefix, same) => {
          const rest = BigInt(width - prefix)
          const block = (a >> rest) << rest
          // Shares the first `same` bits with the block.
          const free = BigInt(width - same)
          const address = ((block >> free) << free) ^ (noise & ((1n << free) - 1n))
          if (family === 'IPv6' && (block >> 32n === 0xffffn || address >> 32n === 0xffffn)) return
          const inside = address >> rest === block >> rest
          assert.equal(compileAddresses([`${write(block)}/${prefix}`])(write(address)), inside)
        },
      ),
      { numRuns: 2000 },
    )
  })
}

test('refuses a principal from elsewhere, and says from where', () => {
  const ceilings = {
    scopes: null,
    operations: null,
    allowsModel: null,
    allowsAddress: compileAddresses(['10.0.0.0/8']),
  }
  const principal = { kind: 'api_key', id: 'key_1', ceilings } as unknown as Principal
  assert.equal(checkAddress(principal, '10.0.0.1'), principal)
  assert.throws(() => checkAddress(principal, '127.0.0.1'), {
    code: 'policy.address',
    status: 403,
    detail: /127\.0\.0\.1/,
  })
  const anywhere = {
    kind: 'api_key',
    id: 'key_1',
    ceilings: { ...ceilings, allowsAddress: null },
  } as unknown as Principal
  assert.equal(checkAddress(anywhere, ''), anywhere)
})
