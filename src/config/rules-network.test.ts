import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { load, refuse } from './load-for-test.ts'

const gateway = (members: string) => `listeners: { public: { ${members} } }`

describe('addresses and proxies of the configuration', () => {
  for (const yaml of [
    gateway('trustedProxies: [10.0.0.0/8, "2001:db8::/32"], forwarded: x-forwarded-for, hops: 2'),
    gateway('trustedProxies: [127.0.0.1], forwarded: forwarded'),
    gateway('trustedProxies: [127.0.0.1], proxyProtocol: required'),
    gateway('trustedProxies: [127.0.0.1], proxyProtocol: required, forwarded: x-forwarded-for'),
    'access: { allow: [10.0.0.0/8], deny: [10.1.0.0/16] }',
    'access: { deny: [0.0.0.0/0] }',
    'services: { shop: { url: "http://localhost:1", path: /shop } }\naccess: { operations: { shop.read: { deny: [10.0.0.1] } } }',
    'access: { operations: { openai.chat: { allow: [10.0.0.0/8] }, gemini.models: { deny: ["::/0"] } } }',
    'access: { allow: [10.0.0.0/8], operations: { openai.chat: { allow: [0.0.0.0/0], deny: [10.1.0.0/16] } } }',
  ]) {
    it(`are taken: ${yaml}`, () => assert.ok(load(yaml).config))
  }

  for (const [yaml, ...lines] of [
    [gateway('forwarded: x-forwarded-for'), /trustedProxies: must name the proxies/],
    [gateway('proxyProtocol: required'), /trustedProxies: must name the proxies/],
    [gateway('trustedProxies: [127.0.0.1]'), /trustedProxies: does nothing: say with `forwarded` or `proxyProtocol`/],
    [gateway('trustedProxies: [0.0.0.0/0], forwarded: forwarded'), /trustedProxies\[0\]: trusts everybody/],
    [gateway('trustedProxies: ["::1", "::/0"], forwarded: forwarded'), /trustedProxies\[1\]: trusts everybody/],
    [gateway('trustedProxies: [10.0.0.1/8], forwarded: forwarded'), /has bits beyond its prefix/],
    [gateway('trustedProxies: [nginx], forwarded: forwarded'), /must be an address or block/],
    [
      gateway('trustedProxies: [127.0.0.1], proxyProtocol: required, hops: 1'),
      /hops: does nothing without `forwarded`/,
    ],
    [gateway('trustedProxies: [127.0.0.1], forwarded: forwarded, hops: 0'), /hops: must be an integer from 1 to 32/],
    [gateway('trustedProxies: [127.0.0.1], forwarded: X-Forwarded-For'), /forwarded: must be one of/],
    [gateway('trustedProxies: [127.0.0.1], proxyProtocol: v1'), /proxyProtocol: must be one of/],
    ['listeners: { admin: { trustedProxies: [127.0.0.1] } }', /unknown member/],
    ['access: { allow: [] }', /access.allow: an empty list allows nobody; leave it out/],
    [
      'access: { allow: [10.1.0.0/16], deny: [10.0.0.0/8] }',
      /access.allow: "10.1.0.0\/16" can never apply: all of it is denied/,
    ],
    ['access: { deny: [0.0.0.0/0, "::/0"] }', /access: no address is left/],
    ['access: { allow: ["::ffff:10.0.0.1"] }', /is an IPv4 address in IPv6 form/],
    ['access: { allow: [10.0.0.1, 10.0.0.1] }', /10\.0\.0\.1|twice|differ|unique/],
    [
      'access: { operations: { openai.chats: { deny: [10.0.0.1] } } }',
      /there is no operation of this name; did you mean "openai.chat"\?/,
    ],
    ['access: { operations: { openai.chat: {} } }', /says nothing: name `allow`, `deny` or `require`/],
    ['access: { operations: { openai.chat: { allow: [] } } }', /allow: an empty list allows nobody/],
    [
      'access: { allow: [10.0.0.0/8], operations: { openai.chat: { allow: [11.0.0.0/8] } } }',
      /"11.0.0.0\/8" can never apply: it is outside/,
    ],
    [
      'access: { deny: [10.0.0.0/8], operations: { openai.chat: { allow: [10.1.0.0/16] } } }',
      /"10.1.0.0\/16" can never apply/,
    ],
    ['access: { operations: { openai.chat: { deny: [10.0.0.0/33] } } }', /has a prefix longer than 32/],
  ] as const) {
    it(`are refused: ${yaml}`, () => {
      const said = refuse(yaml)
      assert.equal(said.length, lines.length, said.join('\n'))
      for (const [i, line] of lines.entries()) assert.match(said[i] ?? '', line)
    })
  }
})
