import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCidr } from './cidr.ts'

const good: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[] = [
  ['10.0.0.0/8', 8, 'ipv4'],
  ['0.0.0.0/0', 0, 'ipv4'],
  ['192.168.1.7', 32, 'ipv4'],
  ['192.168.1.7/32', 32, 'ipv4'],
  ['::/0', 0, 'ipv6'],
  ['::1', 128, 'ipv6'],
  ['2001:DB8::/32', 32, 'ipv6'],
  ['1:2:3:4:5:6:7:8', 128, 'ipv6'],
  ['fe80::/10', 10, 'ipv6'],
  ['64:ff9b::10.0.0.0/104', 104, 'ipv6'],
]
for (const [text, prefix, family] of good) {
  test(`reads ${text}`, () => {
    const parsed = parseCidr(text)
    assert.ok(typeof parsed !== 'string')
    assert.deepEqual(parsed, { ...parsed, address: text.split('/')[0], prefix, family })
  })
}

for (const [text, fault] of [
  ['', /no address/],
  ['10.0.0.0/', /no address/],
  ['10.0.0/8', /no address/],
  ['10.0.0.0/08', /no address/],
  ['10.0.0.0/-1', /no address/],
  ['10.0.0.0/8/8', /no address/],
  [' 10.0.0.0/8', /no address/],
  ['010.0.0.0/8', /no address/],
  ['localhost', /no address/],
  ['*', /no address/],
  ['fe80::1%eth0', /no address/],
  ['::g', /no address/],
  ['10.0.0.0/33', /longer than 32/],
  ['::/129', /longer than 128/],
  ['10.0.0.1/8', /beyond its prefix of 8/],
  ['10.128.0.0/8', /beyond/],
  ['2001:db8::1/64', /beyond/],
  ['64:ff9b::10.0.0.1/104', /beyond/],
  ['::ffff:10.0.0.1', /write it as IPv4/],
  ['::ffff:a00:1', /write it as IPv4/],
  ['::ffff:0:0/96', /write it as IPv4/],
  ['0:0:0:0:0:ffff:10.0.0.0/104', /write it as IPv4/],
] as const) {
  test(`refuses ${JSON.stringify(text)}`, () => {
    const result = parseCidr(text)
    assert.equal(typeof result, 'string')
    assert.match(result as string, fault)
  })
}
