import { checkOrigin, URL_MESSAGE, URL_PATTERN } from './addresses.ts'
import { section } from './shape.ts'

/** How services are told who calls. */
export const identitySchema = section(
  'How services are told who calls: signed, with keys of the gateway’s own, which they fetch at `/.well-known/ostiary/jwks.json`.',
  {
    issuer: {
      type: 'string',
      maxLength: 2048,
      pattern: URL_PATTERN,
      patternErrorMessage: URL_MESSAGE,
      check: checkOrigin,
      'x-default': '`listeners.public.url`',
      description:
        'Who signs: `iss` of the tokens. Their `aud` is this, `/services/` and the name of the service. It must be no identity provider’s.',
      examples: ['https://ai.example.com'],
    },
    tokenLifetimeSeconds: {
      type: 'integer',
      minimum: 5,
      maximum: 60,
      default: 60,
      description: 'How long a token is good, in seconds; never longer than the caller’s own credential.',
      examples: [15],
    },
    rotationDays: {
      type: 'integer',
      minimum: 2,
      maximum: 365,
      default: 30,
      description: 'How long a key signs, in days. The next one is published a day before its turn.',
      examples: [7],
    },
  },
  ['issuer'],
)
