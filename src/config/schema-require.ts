import { section } from './shape.ts'

const texts = <const E extends readonly string[]>(pattern: string, message: string, description: string, examples: E) =>
  ({
    type: 'array',
    items: { type: 'string', pattern, patternErrorMessage: message },
    maxItems: 100,
    uniqueItems: true,
    default: [] as unknown,
    description,
    examples: [examples],
  }) as const

const oneOf = <const E extends readonly string[]>(names: E, description: string, example: E[number]) =>
  ({
    type: 'array',
    items: { type: 'string', enum: names },
    uniqueItems: true,
    maxItems: names.length,
    default: [] as unknown,
    description,
    examples: [[example]],
  }) as const

/** What callers must be to use something, whatever their credential reaches. */
export const requireSchema = {
  type: 'array',
  maxItems: 50,
  default: [] as unknown,
  description:
    'What callers must be, beside what their credential reaches and the policies permit: they fit one of these alternatives, all that it says. Where only a stronger or more recent login is missing, the answer is 401 and asks for it (RFC 9470), else 403.',
  examples: [[{ binding: ['dpop'] }, { kinds: ['user'], roles: ['editor'], maxAgeSeconds: 900 }]],
  items: section('One alternative.', {
    kinds: oneOf(
      ['api_key', 'user', 'service'] as const,
      'Kinds of callers: API keys, tokens of people, tokens of programs. Empty = any.',
      'user',
    ),
    issuers: texts(
      '^[a-z][a-z0-9-]{0,31}$',
      'must be the name of an issuer',
      'Names of issuers whose tokens will do. Empty = any, and keys.',
      ['company'],
    ),
    roles: texts(
      '^[a-z][a-z0-9-]{0,63}$',
      'must be 1 to 64 lower-case letters, digits and hyphens, a letter first',
      'Roles, of which the caller has one. Empty = any or none.',
      ['editor'],
    ),
    binding: oneOf(
      ['dpop', 'certificate'] as const,
      'What the credential is bound to, and the sender has proved: a DPoP key or a client certificate. Empty = borne is enough.',
      'dpop',
    ),
    acrValues: texts(
      '^[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,256}$',
      'must be visible ASCII without quotes and backslashes',
      'Authentication context classes (`acr`) of the login, of which one is asked for. Empty = any.',
      ['urn:example:mfa'],
    ),
    maxAgeSeconds: {
      anyOf: [{ type: 'integer', minimum: 1, maximum: 31_536_000 }, { type: 'null' }],
      default: null as unknown,
      description: 'Longest time since the login (`auth_time`), in seconds; `null` = any.',
      examples: [900, null],
    },
  }),
} as const
