import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { internalActor } from '#core/actor.ts'
import { networkOf } from '#core/network.ts'
import { proxyHeader } from '#http/proxy-header-for-test.ts'
import { type Gateway, startGateway, until } from '../support/gateway.ts'
import { type RawReply, rawCall } from '../support/raw-call.ts'

/** The proxy of all that follows, a caller of its own, and both on the other family. */
const PROXY = '127.0.0.1'
const STRANGER = '127.0.0.9'
const PROXY6 = '::1'

const TRUSTED = 'trustedProxies: [127.0.0.1, "::1", 10.0.0.0/8, "2001:db8:aaaa::/48"]'
const gateways = {
  none: '{}',
  xff: `{ ${TRUSTED}, forwarded: x-forwarded-for }`,
  xff6: `{ ${TRUSTED}, forwarded: x-forwarded-for }`,
  hops: `{ ${TRUSTED}, forwarded: x-forwarded-for, hops: 2 }`,
  forwarded: `{ ${TRUSTED}, forwarded: forwarded }`,
  proxy: '{ trustedProxies: [127.0.0.1, 10.0.0.0/8], proxyProtocol: required }',
  both: `{ ${TRUSTED}, proxyProtocol: required, forwarded: x-forwarded-for }`,
} as const
type Name = keyof typeof gateways

const running = {} as Record<Name, Gateway>
before(async () => {
  const start = async (name: Name) => {
    running[name] = await startGateway({
      yaml: `listeners: { public: ${gateways[name]} }\n`,
      ...(name === 'xff6' && { env: { OSTIARY_LISTENERS_PUBLIC_HOST: '::1' } }),
    })
  }
  await Promise.all((Object.keys(gateways) as Name[]).map(start))
})
after(() => Promise.all(Object.values(running).map(gateway => gateway[Symbol.asyncDispose]())))

const tcp4 = (address: string, more: readonly number[] = []) =>
  proxyHeader(0x21, 0x11, [...address.split('.').map(Number), 127, 0, 0, 1, 0x12, 0x34, 0x01, 0xbb, ...more])
const tcp6 = (address: string) => proxyHeader(0x21, 0x21, [...Buffer.from(address, 'hex'), ...Buffer.alloc(20)])
const LOCAL = proxyHeader(0x20, 0, [])
const V6 = '20010db8000000000000000000000009'

const xff = (...values: string[]) => values.map(value => `X-Forwarded-For: ${value}`)
const fwd = (...values: string[]) => values.map(value => `Forwarded: ${value}`)

/** Refused: `malformed` and `missing` by 400, the rest by a closed connection; else the address that the event says. */
const matrix: readonly (readonly [
  gateway: Name,
  from: string,
  header: Buffer | null,
  lines: string[],
  expected: string,
])[] = [
  // Nobody is trusted
  ['none', PROXY, null, [], PROXY],
  ['none', PROXY, null, xff('203.0.113.9'), PROXY],
  ['none', PROXY, null, fwd('for=203.0.113.9'), PROXY],
  ['none', PROXY, null, ['X-Real-IP: 203.0.113.9'], PROXY],
  ['none', STRANGER, null, xff('unknown, '), STRANGER],
  // X-Forwarded-For: one proxy
  ['xff', PROXY, null, xff('203.0.113.9'), '203.0.113.9'],
  ['xff', PROXY, null, xff('203.0.113.9:4711'), '203.0.113.9'],
  ['xff', PROXY, null, xff('2001:db8::9'), '2001:db8::9'],
  ['xff', PROXY, null, xff('2001:DB8:0::9'), '2001:db8::9'],
  ['xff', PROXY, null, xff('[2001:db8::9]'), '2001:db8::9'],
  ['xff', PROXY, null, xff('[2001:db8::9]:443'), '2001:db8::9'],
  ['xff', PROXY, null, xff('::ffff:203.0.113.9'), '203.0.113.9'],
  ['xff', PROXY, null, xff('::ffff:cb00:7109'), '203.0.113.9'],
  // What the client itself said is to the left, and not believed
  ['xff', PROXY, null, xff('192.0.2.66, 203.0.113.9'), '203.0.113.9'],
  ['xff', PROXY, null, xff('10.0.0.1, 203.0.113.9'), '203.0.113.9'],
  ['xff', PROXY, null, xff('127.0.0.1, 203.0.113.9'), '203.0.113.9'],
  ['xff', PROXY, null, xff('192.0.2.66', '203.0.113.9'), '203.0.113.9'],
  ['xff', PROXY, null, xff('203.0.113.9', '192.0.2.66'), '192.0.2.66'],
  // Several proxies
  ['xff', PROXY, null, xff('203.0.113.9, 10.1.1.1'), '203.0.113.9'],
  ['xff', PROXY, null, xff('192.0.2.66, 203.0.113.9, 10.1.1.1, 10.2.2.2'), '203.0.113.9'],
  ['xff', PROXY, null, xff('203.0.113.9, 2001:db8:aaaa::1'), '203.0.113.9'],
  ['xff', PROXY, null, xff('203.0.113.9, ::ffff:10.1.1.1'), '203.0.113.9'],
  ['xff', PROXY, null, xff('10.9.9.9, 10.1.1.1'), '10.9.9.9'],
  ['xff', PROXY, null, xff('10.9.9.9, 203.0.113.9, 10.1.1.1'), '203.0.113.9'],
  ['xff', PROXY, null, xff(Array(32).fill('10.1.1.1').join(',')), '10.1.1.1'],
  ['xff', PROXY, null, [...xff('203.0.113.9'), ...fwd('for=192.0.2.66')], '203.0.113.9'],
  ['xff', PROXY, null, [...xff('203.0.113.9'), 'X-Real-IP: 192.0.2.66'], '203.0.113.9'],
  // What cannot be told
  ['xff', PROXY, null, [], 'missing'],
  ['xff', PROXY, null, fwd('for=203.0.113.9'), 'missing'],
  ['xff', PROXY, null, ['X-Real-IP: 203.0.113.9'], 'missing'],
  ['xff', PROXY, null, xff(''), 'malformed'],
  ['xff', PROXY, null, xff('unknown'), 'malformed'],
  ['xff', PROXY, null, xff('unknown, 203.0.113.9'), 'malformed'],
  ['xff', PROXY, null, xff('_hidden'), 'malformed'],
  ['xff', PROXY, null, xff('203.0.113.9,'), 'malformed'],
  ['xff', PROXY, null, xff(',203.0.113.9'), 'malformed'],
  ['xff', PROXY, null, xff('203.0.113.9', ''), 'malformed'],
  ['xff', PROXY, null, xff('203.0.113.9 10.1.1.1'), 'malformed'],
  ['xff', PROXY, null, xff('203.0.113'), 'malformed'],
  ['xff', PROXY, null, xff('0203.0.113.9'), 'malformed'],
  ['xff', PROXY, null, xff('203.0.113.9:99999'), 'malformed'],
  ['xff', PROXY, null, xff('fe80::1%eth0'), 'malformed'],
  ['xff', PROXY, null, xff('client.example.com'), 'malformed'],
  ['xff', PROXY, null, xff(Array(33).fill('10.1.1.1').join(',')), 'malformed'],
  ['xff', PROXY, null, xff(`${' '.repeat(4100)}203.0.113.9`), '203.0.113.9'],
  ['xff', PROXY, null, xff(`203.0.113.9,${' '.repeat(4100)}10.1.1.1`), 'malformed'],
  // From anybody else
  ['xff', STRANGER, null, xff('203.0.113.9'), STRANGER],
  ['xff', STRANGER, null, xff('10.0.0.1, 127.0.0.1'), STRANGER],
  ['xff', STRANGER, null, xff('unknown'), STRANGER],
  ['xff', STRANGER, null, [], STRANGER],
  // IPv6
  ['xff6', PROXY6, null, xff('203.0.113.9'), '203.0.113.9'],
  ['xff6', PROXY6, null, xff('2001:db8::9, 2001:db8:aaaa::2'), '2001:db8::9'],
  ['xff6', PROXY6, null, xff('2001:db8::9, 2001:db8:aaab::2'), '2001:db8:aaab::2'],
  ['xff6', PROXY6, null, xff('::1'), '::1'],
  ['xff6', PROXY6, null, [], 'missing'],
  // A bound on proxies: the third from the right is the client, whatever its address
  ['hops', PROXY, null, xff('10.9.9.9'), '10.9.9.9'],
  ['hops', PROXY, null, xff('192.0.2.66, 10.9.9.9, 10.1.1.1'), '10.9.9.9'],
  ['hops', PROXY, null, xff('203.0.113.9, 10.1.1.1'), '203.0.113.9'],
  ['hops', PROXY, null, xff('10.9.9.9, 203.0.113.9'), '203.0.113.9'],
  // Forwarded
  ['forwarded', PROXY, null, fwd('for=203.0.113.9'), '203.0.113.9'],
  ['forwarded', PROXY, null, fwd('for=203.0.113.9;proto=https;by=10.0.0.1'), '203.0.113.9'],
  ['forwarded', PROXY, null, fwd('For="203.0.113.9:4711"'), '203.0.113.9'],
  ['forwarded', PROXY, null, fwd('for="[2001:db8::9]:443"'), '2001:db8::9'],
  ['forwarded', PROXY, null, fwd('for=192.0.2.66, for=203.0.113.9, for=10.1.1.1'), '203.0.113.9'],
  ['forwarded', PROXY, null, fwd('for=192.0.2.66', 'for=203.0.113.9'), '203.0.113.9'],
  ['forwarded', PROXY, null, fwd('for=203.0.113.9;host="a, for=192.0.2.66"'), '203.0.113.9'],
  ['forwarded', PROXY, null, [...fwd('for=203.0.113.9'), ...xff('192.0.2.66')], '203.0.113.9'],
  ['forwarded', PROXY, null, fwd('for=unknown'), 'malformed'],
  ['forwarded', PROXY, null, fwd('for=_x, for=203.0.113.9'), 'malformed'],
  ['forwarded', PROXY, null, fwd('for="203.0.113.9, for=10.1.1.1'), 'malformed'],
  ['forwarded', PROXY, null, fwd('proto=https'), 'malformed'],
  ['forwarded', PROXY, null, fwd('for=203.0.113.9;for=192.0.2.66'), 'malformed'],
  ['forwarded', PROXY, null, fwd('for=[2001:db8::9]'), 'malformed'],
  ['forwarded', PROXY, null, fwd(''), 'malformed'],
  ['forwarded', PROXY, null, xff('203.0.113.9'), 'missing'],
  ['forwarded', STRANGER, null, fwd('for=203.0.113.9'), STRANGER],
  // PROXY protocol
  ['proxy', PROXY, tcp4('203.0.113.9'), [], '203.0.113.9'],
  ['proxy', PROXY, tcp4('203.0.113.9', [4, 0, 1, 0]), [], '203.0.113.9'],
  ['proxy', PROXY, tcp6(V6), [], '2001:db8::9'],
  ['proxy', PROXY, tcp6('00000000000000000000ffffcb007109'), [], '203.0.113.9'],
  ['proxy', PROXY, tcp4('203.0.113.9'), xff('192.0.2.66'), '203.0.113.9'],
  ['proxy', PROXY, tcp4('10.1.1.1'), xff('192.0.2.66'), '10.1.1.1'],
  ['proxy', PROXY, LOCAL, [], PROXY],
  ['proxy', PROXY, null, [], 'proxy_signature'],
  ['proxy', PROXY, Buffer.from('PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n'), [], 'proxy_signature'],
  ['proxy', PROXY, proxyHeader(0x31, 0x11, [...Buffer.alloc(12)]), [], 'proxy_version'],
  ['proxy', PROXY, proxyHeader(0x21, 0x31, [...Buffer.alloc(216)]), [], 'proxy_family'],
  ['proxy', PROXY, proxyHeader(0x21, 0x00, []), [], 'proxy_family'],
  ['proxy', PROXY, proxyHeader(0x21, 0x11, [1, 2, 3, 4]), [], 'proxy_length'],
  ['proxy', STRANGER, tcp4('203.0.113.9'), [], 'proxy_untrusted'],
  ['proxy', STRANGER, LOCAL, [], 'proxy_untrusted'],
  // Both: what speaks over the connection may be a proxy too
  ['both', PROXY, tcp4('203.0.113.9'), xff('192.0.2.66'), '203.0.113.9'],
  ['both', PROXY, tcp4('203.0.113.9'), [], '203.0.113.9'],
  ['both', PROXY, tcp4('10.1.1.1'), xff('203.0.113.9'), '203.0.113.9'],
  ['both', PROXY, tcp4('10.1.1.1'), [], 'missing'],
  ['both', PROXY, tcp4('10.1.1.1'), xff('unknown'), 'malformed'],
  ['both', PROXY, LOCAL, xff('192.0.2.66'), PROXY],
  ['both', PROXY, LOCAL, [], PROXY],
]

describe('the client’s address', () => {
  test('is told in at least sixty ways', () => assert.ok(matrix.length >= 60, `${matrix.length}`))

  /** How often a refusal of this kind was counted. */
  const counted = async (gateway: Gateway, source: string, reason: string) =>
    (await gateway.refusals(0))
      .filter(
        event =>
          event.problem === 'request.client_address' && event.source === networkOf(source) && event.reason === reason,
      )
      .reduce((sum, { count }) => sum + count, 0)

  const wanted = new Map<string, [Gateway, string, string, number]>()

  for (const [name, from, header, lines, expected] of matrix) {
    const sent = [header && `PROXY ${header.toString('hex', 12, 32)}`, ...lines.map(line => line.slice(0, 60))].filter(
      Boolean,
    )
    test(`${name}, from ${from}, ${sent.join(' | ') || 'nothing'}: ${expected}`, async () => {
      const gateway = running[name]
      const call = { url: gateway.url, from, key: gateway.testKey, lines }
      const reply = await rawCall(header === null ? call : { ...call, before: header })
      const isAddress = /^[\d.]+$|:/.test(expected)
      if (isAddress) {
        assert.equal(reply.status, 200, reply.text)
        assert.equal((await gateway.event(reply.id)).source, expected)
        return
      }
      const isClosed = expected.startsWith('proxy_')
      assert.equal(reply.status, isClosed ? 0 : 400)
      if (!isClosed) assert.match(reply.text, /request\.client_address/)
      const reason = isClosed ? expected : `forwarded_${expected}`
      // The peer whose word it was: a proxy, over the connection or behind it.
      const source = header !== null && !isClosed ? '10.1.1.1' : from
      const key = `${name} ${source} ${reason}`
      wanted.set(key, [gateway, source, reason, (wanted.get(key)?.[3] ?? 0) + 1])
    })
  }

  test('that could not be told was counted, each time', async () => {
    assert.ok(wanted.size > 5)
    for (const [key, [gateway, source, reason, count]] of wanted) {
      await until(key, async () => (await counted(gateway, source, reason)) === count)
    }
  })
})

describe('what an untrusted peer says', () => {
  const names = [
    ...['X-Forwarded-For', 'Forwarded', 'X-Real-IP', 'X-Client-IP', 'CF-Connecting-IP', 'True-Client-IP', 'Via'],
    ...['X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Forwarded-Port', 'X-Original-Forwarded-For', 'X-Cluster-Client-IP'],
    ...['Fastly-Client-IP', 'X-Envoy-External-Address', 'X-Forwarded', 'Forwarded-For', 'X-ProxyUser-Ip', 'Client-IP'],
  ]
  const address = fc.oneof(
    fc.constantFrom('127.0.0.1', '10.0.0.1', '203.0.113.9', '::1', '127.0.0.9', 'unknown', 'localhost', '0.0.0.0'),
    fc.ipV4(),
    fc.ipV6(),
  )
  const value = fc.oneof(
    fc.array(address, { minLength: 1, maxLength: 4 }).map(all => all.join(', ')),
    address.map(one => `for=${one};proto=https`),
    address.map(one => `for="[${one}]:443", for=127.0.0.1`),
    fc.string({ unit: fc.constantFrom(...'for=";,:[]. 127\t%_ax'), maxLength: 40 }).map(text => `a${text}`),
  )
  const lines = fc.array(
    fc.tuple(fc.constantFrom(...names), value).map(([name, text]) => `${name}: ${text}`),
    { minLength: 1, maxLength: 6 },
  )

  /** All that was decided: status, answer and the event’s account of it. */
  async function decided(gateway: Gateway, reply: RawReply): Promise<unknown> {
    const { source, problem, reason, outcome, route, principal, credential } = await gateway.event(reply.id)
    const text = reply.text.replaceAll(reply.id, 'ID').replaceAll(/"remaining":\d+/g, '')
    return { status: reply.status, text, source, problem, reason, outcome, route, principal, credential }
  }

  for (const name of ['none', 'xff', 'forwarded'] as const) {
    test(`changes no decision, where proxies are ${gateways[name]}`, async () => {
      const gateway = running[name]
      const { keys } = gateway.ostiary
      const mint = async (settings: object) =>
        (await keys.mint({ name: 'k', environment: 'test', ...settings }, internalActor('test'))).secret.reveal()
      const callers = [
        await mint({ cidrs: ['127.0.0.9/32'] }),
        await mint({ cidrs: ['203.0.113.9', '127.0.0.1', '10.0.0.0/8'] }),
        await mint({ deniedCidrs: ['127.0.0.9/32'] }),
      ]
      const call = (key: string, lines: readonly string[]) => rawCall({ url: gateway.url, from: STRANGER, key, lines })
      const plain = await Promise.all(callers.map(async key => decided(gateway, await call(key, []))))
      assert.deepEqual(
        plain.map(one => (one as { status: number }).status),
        [200, 403, 403],
      )
      await fc.assert(
        fc.asyncProperty(lines, fc.nat(2), async (sent, which) => {
          const reply = await call(callers[which] as string, sent)
          assert.deepEqual(await decided(gateway, reply), plain[which])
        }),
        { numRuns: 60 },
      )
    })
  }
})
