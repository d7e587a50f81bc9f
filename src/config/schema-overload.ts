import { block } from './schema-access.ts'
import { section } from './shape.ts'

/** Members of `requests`: what one address may hold of the public listener. */
export const connectionCapMembers = {
  maxConnectionsPerAddress: {
    type: 'integer',
    minimum: 1,
    maximum: 1_000_000,
    default: 1000,
    description:
      'Connections that one IPv4 address or IPv6 /64 holds at once, over all workers; further ones are closed.',
    examples: [100],
  },
  maxNewConnectionsPerAddress: {
    type: 'integer',
    minimum: 1,
    maximum: 1_000_000,
    default: 500,
    description:
      'Connections that one IPv4 address or IPv6 /64 opens within a second, over all workers; further ones are closed.',
    examples: [50],
  },
  uncappedAddresses: {
    type: 'array',
    items: block,
    maxItems: 64,
    uniqueItems: true,
    default: ['127.0.0.1', '::1'] as unknown,
    description:
      'Addresses and blocks to which neither applies, because they speak for many, such as the proxy in front.',
    examples: [['10.1.2.3']],
  },
} as const

/** `overload` */
export const overloadSchema = section('What a worker does when more is asked of it than it can do.', {
  maxDelayMs: {
    type: 'integer',
    minimum: 5,
    maximum: 60_000,
    default: 1000,
    description:
      'Delay of its event loop, in ms, from which on a worker refuses calls with 503: of callers without a good credential first, then of projects that use more than their share.',
    examples: [500],
  },
  maxFailuresPerSecond: {
    type: 'integer',
    minimum: 1,
    maximum: 1_000_000,
    default: 100,
    description:
      'Refusals for a missing or wrong credential that one IPv4 address or IPv6 /64 gets at once, per second and worker; further ones come a second late. Good credentials are never delayed.',
    examples: [20],
  },
})
