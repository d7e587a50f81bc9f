import { checkBaseUrl, URL_MESSAGE, URL_PATTERN } from './addresses.ts'
import { map, section } from './shape.ts'

const texts = (maxLength: number) => ({ type: 'string', pattern: `^[^\\p{C}]{1,${maxLength}}$` }) as const

const url = (description: string, example: string) =>
  ({
    type: 'string',
    maxLength: 2048,
    pattern: URL_PATTERN,
    patternErrorMessage: URL_MESSAGE,
    check: checkBaseUrl,
    description,
    examples: [example],
  }) as const

const claim = (description: string, example: string) =>
  ({
    ...texts(256),
    description: `${description} A name that begins with \`/\` is a JSON Pointer (RFC 6901) into the claims, any other the name of a claim.`,
    examples: [example],
  }) as const

/** What tokens are given by what they say; a rule without `when` is for every token of the issuer. */
const grants = {
  type: 'array',
  maxItems: 1000,
  default: [] as unknown,
  description:
    'What tokens may do, by what their claims say. Every rule that fits gives its scopes, roles and models; a token that none fits may do nothing.',
  examples: [[{ when: { scope: 'ai.chat' }, scopes: ['chat:create', 'models:read'], roles: ['developer'] }]],
  items: section(
    'One rule.',
    {
      when: map(
        {
          description:
            'Claims and the value that each must have, or contain: a list contains its elements, `scope` and `scp` also the words of a text.',
          pattern: '^[^\\p{C}]{1,256}$',
          names: 'a claim is 1 to 256 characters',
          examples: [{ groups: 'ai-users' }],
        },
        texts(256),
      ),
      scopes: {
        type: 'array',
        items: texts(64),
        maxItems: 100,
        uniqueItems: true,
        default: [] as unknown,
        description: 'Scopes of the gateway.',
        examples: [['chat:create']],
      },
      roles: {
        type: 'array',
        items: { type: 'string', pattern: '^[a-z][a-z0-9-]{0,63}$' },
        maxItems: 100,
        uniqueItems: true,
        default: [] as unknown,
        description: 'Roles.',
        examples: [['developer']],
      },
      models: {
        type: 'array',
        items: { type: 'string', pattern: '^[^\\s\\p{C}]{1,256}$' },
        maxItems: 100,
        uniqueItems: true,
        'x-default': 'all',
        description: 'Models, by the name that callers use; `*` stands for any characters.',
        examples: [['gpt-*']],
      },
    },
    ['models'],
  ),
} as const

/** Identity providers whose tokens are taken. What one member means for another is in rules-issuers.ts. */
export const issuersSchema = map(
  {
    description:
      'Identity providers whose access tokens the gateway takes. A token is for the issuer whose `issuer` its claim `iss` equals, byte by byte.',
    pattern: '^[a-z][a-z0-9-]{0,31}$',
    names: 'a name is 1 to 32 lower-case letters, digits and `-`, a letter first',
    examples: [
      {
        company: {
          preset: 'keycloak',
          issuer: 'https://id.example.com/realms/staff',
          audience: ['ostiary'],
          grants: [{ when: { scope: 'ai' }, scopes: ['chat:create'] }],
        },
      },
    ],
  },
  section(
    'One identity provider.',
    {
      preset: {
        type: 'string',
        enum: ['generic', 'auth0', 'okta', 'cognito', 'entra', 'google', 'keycloak', 'github-actions', 'kubernetes'],
        default: 'generic' as unknown,
        description:
          'Whose tokens these are: what is particular about them is known, and what is left out here is set.',
        examples: ['keycloak'],
      },
      issuer: url(
        'The issuer identifier, exactly as the tokens say it in `iss`.',
        'https://id.example.com/realms/staff',
      ),
      audience: {
        type: 'array',
        items: texts(512),
        maxItems: 32,
        uniqueItems: true,
        'x-default': 'none; needed',
        description: 'Who tokens must be meant for (`aud`): one of these.',
        examples: [['https://api.example.com']],
      },
      algorithms: {
        type: 'array',
        items: {
          type: 'string',
          enum: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
        },
        maxItems: 11,
        uniqueItems: true,
        'x-default': 'of the preset; `[RS256]` for most',
        description: 'Signatures that are taken, by their JOSE name.',
        examples: [['RS256', 'ES256']],
      },
      types: {
        type: 'array',
        items: texts(64),
        maxItems: 8,
        uniqueItems: true,
        'x-default': 'of the preset; `[at+jwt]` for generic',
        description: 'Values of the header `typ` that access tokens of this issuer have (RFC 9068 says `at+jwt`).',
        examples: [['at+jwt', 'JWT']],
      },
      clockSkewSeconds: {
        type: 'integer',
        minimum: 0,
        maximum: 60,
        default: 30,
        description: 'How far the clocks of issuer and gateway may differ, in seconds.',
        examples: [5],
      },
      maxLifetimeSeconds: {
        type: 'integer',
        minimum: 60,
        maximum: 31_622_400,
        default: 86_400,
        description: 'Longest time from `iat` to `exp` that is taken, in seconds.',
        examples: [3600],
      },
      jwksUrl: url(
        'Where the issuer publishes its keys. Without it the address is discovered (RFC 8414, OpenID Connect Discovery).',
        'https://id.example.com/keys',
      ),
      allowPrivateNetwork: {
        type: 'boolean',
        default: false,
        description: 'Whether the names in the addresses of this issuer may resolve to private addresses.',
        examples: [true],
      },
      senderConstraint: {
        type: 'string',
        enum: ['none', 'dpop', 'certificate', 'any'],
        default: 'none' as unknown,
        description:
          'To what tokens of this issuer must be bound (`cnf`, RFC 7800): to a key that callers prove with DPoP, to the certificate of their connection, to either, or to nothing. A token that is bound is never taken without proof, whatever stands here.',
        examples: ['dpop'],
      },
      project: {
        type: 'string',
        pattern: '^proj_[a-z0-9_]{1,64}$',
        default: 'proj_default',
        description: 'Id of the project that its callers belong to.',
        examples: ['proj_01jx2m3n4p5q6r7s8t9vwxyz01'],
      },
      environment: {
        type: 'string',
        enum: ['live', 'test'],
        default: 'live' as unknown,
        description:
          'Which models its callers reach: `test` those of providers tagged `test`, `live` all but the sandbox.',
        examples: ['test'],
      },
      grants,
      claims: section(
        'Names of claims, where they differ from the preset’s.',
        {
          subject: claim('Who the token is about.', 'sub'),
          client: claim('The client that it was issued to.', 'azp'),
          session: claim('The session that it belongs to.', 'sid'),
        },
        ['subject', 'client', 'session'],
      ),
      requiredClaims: map(
        {
          description: 'Claims and the value that each token must have, or contain.',
          pattern: '^[^\\p{C}]{1,256}$',
          names: 'a claim is 1 to 256 characters',
          examples: [{ hd: 'example.com' }],
        },
        texts(512),
      ),
    },
    ['audience', 'algorithms', 'types', 'jwksUrl'],
  ),
)
