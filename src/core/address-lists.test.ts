import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type AddressLists, addressFault } from './address-lists.ts'
import { compileAccess } from './compile-access.ts'

const lists = (allow: string[] | null, deny: string[] | null = null): AddressLists => ({ allow, deny })

const cases: readonly (readonly [string, readonly [AddressLists, ...AddressLists[]], RegExp | null])[] = [
  ['nothing is said', [lists(null)], null],
  ['blocks are allowed', [lists(['10.0.0.0/8', '::1'])], null],
  ['a part is denied', [lists(['10.0.0.0/8'], ['10.0.0.0/9'])], null],
  ['a neighbour is denied', [lists(['10.0.0.0/8'], ['11.0.0.0/8'])], null],
  ['all of IPv4 is denied', [lists(null, ['0.0.0.0/0'])], null],
  [
    'an entry is denied',
    [lists(['10.1.0.0/16', '::1'], ['10.0.0.0/8'])],
    /^"10.1.0.0\/16" can never apply: all of it is denied$/,
  ],
  [
    'an entry is denied by parts',
    [lists(['10.0.0.0/8'], ['10.128.0.0/9', '10.0.0.0/9'])],
    /"10.0.0.0\/8" can never apply/,
  ],
  ['all is denied', [lists(null, ['0.0.0.0/0', '::/0'])], /^no address is left$/],
  ['one address is denied by itself', [lists(['2001:db8::1'], ['2001:db8::1'])], /can never apply/],
  ['IPv6 like an IPv4 block is denied', [lists(['0.0.0.0/0'], ['::/96'])], null],
  ['it lies within the other', [lists(['10.1.0.0/16']), lists(['10.0.0.0/8'])], null],
  ['it covers the other', [lists(['0.0.0.0/0']), lists(['10.0.0.0/8'])], null],
  ['it lies outside the other', [lists(['10.1.0.0/16']), lists(['10.2.0.0/16'])], /can never apply: it is outside/],
  ['the other denies it', [lists(['10.1.0.0/16']), lists(null, ['10.0.0.0/8'])], /can never apply/],
  ['it denies all that the other allows', [lists(null, ['10.0.0.0/8']), lists(['10.1.0.0/16'])], /no address is left/],
]
for (const [name, said, fault] of cases) {
  test(`${name}: ${fault ?? 'may apply'}`, () => {
    if (fault === null) assert.equal(addressFault(...said), null)
    else assert.match(addressFault(...said) ?? '', fault)
  })
}

/** Few blocks near each other, so that they meet. */
const block = fc
  .record({ bits: fc.integer({ min: 0, max: 15 }), prefix: fc.integer({ min: 28, max: 32 }), six: fc.boolean() })
  .map(({ bits, prefix, six }) => {
    const first = (bits >> (32 - prefix)) << (32 - prefix)
    return six ? `2001:db8::${first.toString(16)}/${prefix + 96}` : `10.0.0.${first}/${prefix}`
  })
const some = fc.option(fc.array(block, { minLength: 1, maxLength: 4 }))
const both = fc.record({ allow: some, deny: some })
const everyone = Array.from({ length: 16 }, (_, n) => [`10.0.0.${n}`, `2001:db8::${n.toString(16)}`]).flat()

test('what is at fault lets nobody in, and what is not lets somebody in, by the check of calls itself', () => {
  fc.assert(
    fc.property(both, both, (own, other) => {
      const allows = compileAccess(own, other) ?? (() => true)
      const fault = addressFault(own, other)
      const [, entry] = /^"([^"]+)"/.exec(fault ?? '') ?? []
      const within = compileAccess({ allow: entry === undefined ? null : [entry], deny: null }) ?? (() => true)
      const reached = everyone.filter(address => allows(address) && within(address))
      if (fault !== null) assert.deepEqual(reached, [], `${fault}`)
      else if (own.allow !== null) {
        for (const one of own.allow) {
          const isIn = compileAccess({ allow: [one], deny: null }) ?? (() => false)
          assert.ok(
            everyone.some(address => isIn(address) && allows(address)),
            `${one} applies`,
          )
        }
      }
    }),
    { numRuns: 3000 },
  )
})
