import { section } from './shape.ts'

/** Proofs of possession of a key that a credential is bound to. */
export const dpopSchema = section(
  'Proofs of possession (DPoP, RFC 9449), for keys and tokens that are bound to a key.',
  {
    requireNonce: {
      type: 'boolean',
      default: false,
      description:
        'Whether each proof must contain a nonce that the gateway gave out in the last minutes. Then no proof can be made in advance; a client’s first call of a while is answered 401 with the nonce to use.',
      examples: [true],
    },
    maxAgeSeconds: {
      type: 'integer',
      minimum: 5,
      maximum: 300,
      default: 60,
      description: 'How old a proof may be by its `iat`, in seconds. Each is taken once within that time.',
      examples: [30],
    },
    clockSkewSeconds: {
      type: 'integer',
      minimum: 0,
      maximum: 60,
      default: 5,
      description: 'How far the clock of a caller may be ahead, in seconds.',
      examples: [10],
    },
    rememberedProofs: {
      type: 'integer',
      minimum: 256,
      maximum: 16_777_216,
      default: 1_048_576,
      description:
        'Places for used proofs, 8 bytes each, over all workers; rounded up to a power of two. Half of them can be counted on, and an eighth of that for the proofs of one key. A proof for which there is no room is answered 503.',
      examples: [65_536],
    },
  },
)
