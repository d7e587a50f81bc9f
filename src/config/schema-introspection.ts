import { checkEndpoint, URL_MESSAGE, URL_PATTERN } from './addresses.ts'
import { section } from './shape.ts'

/** How an issuer is asked about its tokens. What one member means for another is in rules-issuers.ts. */
export const introspectionSchema = section(
  'Where the gateway asks the issuer about tokens (RFC 7662): opaque ones, which say nothing themselves, and with `always` JWTs too. Without it opaque tokens of this issuer are not taken.',
  {
    url: {
      type: 'string',
      maxLength: 2048,
      pattern: URL_PATTERN,
      patternErrorMessage: URL_MESSAGE,
      check: checkEndpoint,
      description: 'The introspection endpoint.',
      examples: ['https://id.example.com/introspect'],
    },
    clientId: {
      type: 'string',
      pattern: '^[\\x20-\\x7e]{1,256}$',
      patternErrorMessage: 'must be 1 to 256 printable ASCII characters',
      description: 'The gateway’s own client at the issuer: who asks.',
      examples: ['ostiary'],
    },
    clientSecret: {
      type: 'string',
      'x-secret': true,
      description: 'Reference to that client’s secret.',
      examples: ['secret:introspection', 'env:INTROSPECTION_SECRET'],
    },
    authentication: {
      type: 'string',
      enum: ['client_secret_basic', 'client_secret_post'],
      default: 'client_secret_basic' as unknown,
      description: 'How the client proves itself (RFC 6749 §2.3.1): in the header `Authorization`, or in the body.',
      examples: ['client_secret_post'],
    },
    cacheSeconds: {
      type: 'integer',
      minimum: 0,
      maximum: 3600,
      default: 60,
      description:
        'How long an answer “active” is trusted, in seconds; never beyond the token’s own end. So long a token that is revoked at the issuer may still be taken. 0 = each call asks.',
      examples: [15],
    },
    negativeCacheSeconds: {
      type: 'integer',
      minimum: 0,
      maximum: 60,
      default: 5,
      description: 'How long a token that was refused is refused again without asking, in seconds.',
      examples: [1],
    },
    timeoutMs: {
      type: 'integer',
      minimum: 50,
      maximum: 30_000,
      default: 2000,
      description:
        'Time for the whole answer. Then the call is answered 503; also one that has waited as long for its turn to be asked about.',
      examples: [500],
    },
    signed: {
      type: 'boolean',
      default: false,
      description:
        'Whether answers must be signed JWTs (RFC 9701), verified with the issuer’s keys and one of `algorithms`, and meant for `clientId`.',
      examples: [true],
    },
    opaque: {
      type: 'boolean',
      default: true,
      description: 'Whether opaque tokens are this issuer’s. `false` where `always` is all that is wanted.',
      examples: [false],
    },
    always: {
      type: 'boolean',
      default: false,
      description:
        'Whether JWTs of this issuer are asked about too, after they have been verified: then one that is revoked there ends here within `cacheSeconds`.',
      examples: [true],
    },
    tokenPrefix: {
      type: 'string',
      pattern: '^[A-Za-z0-9._~+/-]{1,64}$',
      patternErrorMessage: 'must be 1 to 64 characters of a token (RFC 6750 §2.1): letters, digits and `._~+/-`',
      check: checkTokenPrefix,
      description:
        'With what the opaque tokens of this issuer begin. Needed where several issuers have opaque tokens: one of them at most may go without. The longest that fits decides.',
      examples: ['acme_at_'],
    },
  },
  ['tokenPrefix'],
)

/** What is wrong with the beginning of opaque tokens: they must be told apart from API keys and JWTs. */
function checkTokenPrefix(text: string): string | undefined {
  if (/^[a-z][a-z0-9]{1,11}_(?:live|test)_/.test(text))
    return 'is the beginning of an API key: such a token is taken for one'
  return undefined
}
