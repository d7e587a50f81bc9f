import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { compileAddresses } from '#core/compile-addresses.ts'
import { Problem } from '#core/problems.ts'
import { createClientFinder } from './client-address.ts'
import { notePeer } from './peer.ts'

const trustedProxies = ['127.0.0.1', '10.0.0.0/8']

function requestFrom(peer: string, headers: Readonly<Record<string, string>> = {}): IncomingMessage {
  return { socket: { remoteAddress: peer } as Socket, headers } as unknown as IncomingMessage
}

/** The address, or the reason why it cannot be told. */
function find(
  chain: string | null,
  { peer = '127.0.0.1', hops }: { peer?: string; hops?: number } = {},
): string | null {
  const findClient = createClientFinder({ trustedProxies, forwarded: 'x-forwarded-for', hops })
  const client = findClient(requestFrom(peer, chain === null ? {} : { 'x-forwarded-for': chain }))
  return client instanceof Problem ? (client.reason ?? null) : client
}

test('is read from the right, as far as proxies are trusted', () => {
  assert.equal(find('192.0.2.66, 203.0.113.9'), '203.0.113.9')
  assert.equal(find('192.0.2.66, 203.0.113.9, 10.1.1.1'), '203.0.113.9')
  assert.equal(find('10.2.2.2, 10.1.1.1'), '10.2.2.2', 'all are trusted: the farthest')
  assert.equal(find('203.0.113.9', { peer: '198.51.100.1' }), '198.51.100.1')
  assert.equal(find(null, { peer: '198.51.100.1' }), '198.51.100.1')
})

test('is not guessed where a trusted proxy does not say it plainly', () => {
  assert.equal(find(null), 'forwarded_missing')
  assert.equal(find('unknown'), 'forwarded_malformed')
  assert.equal(find('unknown, 203.0.113.9'), 'forwarded_malformed')
})

test('is at most so many proxies away', () => {
  const chain = '192.0.2.66, 10.3.3.3, 10.2.2.2, 10.1.1.1'
  assert.deepEqual(
    [1, 2, 3, 4, 32].map(hops => find(chain, { hops })),
    ['10.1.1.1', '10.2.2.2', '10.3.3.3', '192.0.2.66', '192.0.2.66'],
  )
})

test('is that of a proxy which says that it speaks for itself, whatever header comes along', () => {
  const findClient = createClientFinder({ trustedProxies, forwarded: 'x-forwarded-for' })
  const req = requestFrom('127.0.0.1', { 'x-forwarded-for': '203.0.113.9' })
  notePeer(req.socket, null)
  assert.equal(findClient(req), '127.0.0.1')
})

test('is who the proxy in front spoke for, and only then who that one names', () => {
  const findClient = createClientFinder({ trustedProxies, forwarded: 'x-forwarded-for' })
  for (const [told, expected] of [
    ['203.0.113.9', '203.0.113.9'],
    ['10.1.1.1', '192.0.2.66'],
  ] as const) {
    const req = requestFrom('127.0.0.1', { 'x-forwarded-for': '192.0.2.66' })
    notePeer(req.socket, told)
    assert.equal(findClient(req), expected)
  }
})

test('whoever is not trusted is the last whose word is not taken, for any list and any bound', () => {
  const isTrusted = compileAddresses(trustedProxies)
  const address = fc.constantFrom('127.0.0.1', '10.1.1.1', '10.2.2.2', '203.0.113.9', '192.0.2.66', '2001:db8::9')
  fc.assert(
    fc.property(
      address,
      fc.array(address, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 10 }),
      (peer, chain, hops) => {
        // From the peer on outwards, as far as the bound goes.
        const path = [peer, ...chain.toReversed()].slice(0, hops + 1)
        const expected = path.find(one => !isTrusted(one)) ?? path.at(-1)
        assert.equal(find(chain.join(', '), { peer, hops }), expected)
      },
    ),
    { numRuns: 5000 },
  )
})
