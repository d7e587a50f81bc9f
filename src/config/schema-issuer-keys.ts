import { section } from './shape.ts'

/** A JWK set that is kept with the configuration. */
export const jwksFile = {
  type: 'string',
  pattern: '^[^\\p{C}]{1,1024}$',
  patternErrorMessage: 'must be the path of a file',
  description:
    'File with the issuer’s keys as a JWK set (RFC 7517), for an issuer that cannot be reached; a relative path is below the folder of the configuration. It is read at the start and at each reload. Instead of `jwksUrl`.',
  examples: ['issuer-keys.json'],
} as const

/** How the keys of an issuer are kept. */
export const jwks = section('How its keys are fetched and kept.', {
  refreshSeconds: {
    type: 'integer',
    minimum: 1,
    maximum: 86_400,
    default: 600,
    description:
      'Longest time between two fetches, in seconds: a key that is no longer published is taken no longer than that. The issuer’s `Cache-Control: max-age` shortens it, to a minute at least.',
    examples: [300],
  },
  maxStaleSeconds: {
    type: 'integer',
    minimum: 0,
    maximum: 2_592_000,
    default: 86_400,
    description:
      'How long keys stay good while they cannot be fetched, in seconds after they last were; then calls with tokens of this issuer are answered 503.',
    examples: [3600],
  },
  refetchSeconds: {
    type: 'integer',
    minimum: 1,
    maximum: 3600,
    default: 10,
    description:
      'A token signed by a key that is not known has the keys fetched at once, but no more often than once in this time, in seconds, beyond `refetchBurst`.',
    examples: [30],
  },
  refetchBurst: {
    type: 'integer',
    minimum: 1,
    maximum: 100,
    default: 3,
    description: 'Such fetches that may follow each other at once.',
    examples: [1],
  },
})
