import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MAX_PROXY_HEADER, readProxyHeader } from './proxy-header.ts'
import { proxyHeader } from './proxy-header-for-test.ts'

const v4 = [203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x34, 0x01, 0xbb]
const v6 = [...Buffer.from('20010db8000000000000000000000009', 'hex'), ...Buffer.alloc(16, 1), 0, 1, 0, 2]
const mapped = [...Buffer.from('00000000000000000000ffffcb007109', 'hex'), ...Buffer.alloc(20)]

for (const [what, header, expected] of [
  ['TCP over IPv4', proxyHeader(0x21, 0x11, v4), '203.0.113.9'],
  ['TCP over IPv6', proxyHeader(0x21, 0x21, v6), '2001:db8::9'],
  ['IPv4 in IPv6', proxyHeader(0x21, 0x21, mapped), '203.0.113.9'],
  ['what follows the addresses', proxyHeader(0x21, 0x11, [...v4, 3, 0, 4, 1, 2, 3, 4]), '203.0.113.9'],
  ['the largest', proxyHeader(0x21, 0x11, [...v4, ...Buffer.alloc(MAX_PROXY_HEADER - 28)]), '203.0.113.9'],
  ['the proxy itself', proxyHeader(0x20, 0x00, []), null],
  ['the proxy itself with an address', proxyHeader(0x20, 0x11, v4), null],
  ['the proxy itself with any family', proxyHeader(0x20, 0x77, [1, 2, 3]), null],
] as const) {
  test(`reads ${what}, and leaves what comes after it`, () => {
    const arrived = Buffer.concat([header, Buffer.from('GET / HTTP/1.1')])
    assert.deepEqual(readProxyHeader(arrived), { length: header.length, client: expected })
    for (let n = 0; n < header.length; n++) assert.equal(readProxyHeader(header.subarray(0, n)), null, `${n} bytes`)
  })
}

for (const [what, arrived, fault] of [
  ['HTTP', Buffer.from('G'), 'proxy_signature'],
  ['version 1', Buffer.from('PROXY TCP4 203.0.113.9 10.0.0.1 4660 443\r\n'), 'proxy_signature'],
  ['TLS', Buffer.from([0x16, 3, 1]), 'proxy_signature'],
  ['an empty line and HTTP', Buffer.from('\r\nGET'), 'proxy_signature'],
  ['a damaged signature', Buffer.from('\r\n\r\n\0\r\nQUIT\r\x21\x11', 'latin1'), 'proxy_signature'],
  ['version 1 in binary', proxyHeader(0x11, 0x11, v4), 'proxy_version'],
  ['version 3', proxyHeader(0x31, 0x11, v4), 'proxy_version'],
  ['another command', proxyHeader(0x22, 0x11, v4), 'proxy_command'],
  ['an unknown family', proxyHeader(0x21, 0x00, v4), 'proxy_family'],
  ['a family without a transport', proxyHeader(0x21, 0x10, v4), 'proxy_family'],
  ['UDP', proxyHeader(0x21, 0x12, v4), 'proxy_family'],
  ['UDP over IPv6', proxyHeader(0x21, 0x22, v6), 'proxy_family'],
  ['a UNIX socket', proxyHeader(0x21, 0x31, [...Buffer.alloc(216)]), 'proxy_family'],
  ['no family', proxyHeader(0x21, 0xf1, v4), 'proxy_family'],
  ['too few addresses', proxyHeader(0x21, 0x11, v4.slice(1)), 'proxy_length'],
  ['the addresses of another family', proxyHeader(0x21, 0x21, v4), 'proxy_length'],
  ['none', proxyHeader(0x21, 0x11, []), 'proxy_length'],
  [
    'too much',
    proxyHeader(0x21, 0x11, [...v4, ...Buffer.alloc(MAX_PROXY_HEADER - 27)]).subarray(0, 16),
    'proxy_length',
  ],
  ['as much as can be said', proxyHeader(0x20, 0x00, []).fill(0xff, 14), 'proxy_length'],
] as const) {
  test(`refuses ${what}`, () => assert.equal(readProxyHeader(arrived), fault))
}

test('takes any bytes, and says the same of them however they are cut', () => {
  const bytes = fc
    .tuple(
      fc.constantFrom(0x20, 0x21, 0x22, 0x11),
      fc.constantFrom(0, 0x11, 0x12, 0x21, 0x31),
      fc.uint8Array({ maxLength: 80 }),
      fc.nat(130),
    )
    .map(([command, family, rest, cut]) => proxyHeader(command, family, [...rest]).subarray(0, cut))
  fc.assert(
    fc.property(fc.oneof(bytes, fc.uint8Array({ maxLength: 40 })), sent => {
      const whole = readProxyHeader(Buffer.from(sent))
      if (whole === null) return
      for (let n = sent.length; n >= 0; n--) {
        const part = readProxyHeader(Buffer.from(sent.subarray(0, n)))
        // Less may be too little to tell, but never tells something else.
        if (part !== null && typeof whole !== 'string') assert.deepEqual(part, whole)
        else if (part !== null) assert.equal(typeof part, 'string')
      }
    }),
    { numRuns: 5000 },
  )
})
