import { block } from './schema-access.ts'

/** Members of `listeners.public`: by whom callers come. */
export const proxyMembers = {
  trustedProxies: {
    type: 'array',
    items: block,
    maxItems: 1000,
    uniqueItems: true,
    default: [] as unknown,
    description:
      'Addresses and blocks of the proxies whose word about the client’s address is taken. No cap on connections is theirs.',
    examples: [['127.0.0.1', '10.1.2.0/24']],
  },
  forwarded: {
    type: 'string',
    enum: ['none', 'x-forwarded-for', 'forwarded'],
    default: 'none' as unknown,
    description:
      'Header in which trusted proxies name the client; `forwarded` is RFC 7239. From anybody else it is not read. A trusted proxy must send it, and well-formed: what cannot be told is refused with 400.',
    examples: ['x-forwarded-for'],
  },
  hops: {
    type: 'integer',
    minimum: 1,
    maximum: 32,
    'x-default': 'no bound',
    description:
      'How many trusted proxies there are at most between a client and the gateway, for networks in which clients have addresses of `trustedProxies`, too.',
    examples: [1],
  },
  proxyProtocol: {
    type: 'string',
    enum: ['off', 'required'],
    default: 'off' as unknown,
    description:
      'Whether each connection begins with a header of the PROXY protocol, version 2. If so, only trusted proxies may connect.',
    examples: ['required'],
  },
} as const
