import { checkBaseUrl, URL_MESSAGE, URL_PATTERN } from './addresses.ts'
import { condition, grantsSchema, projectId, projectsSchema } from './schema-grants.ts'
import { introspectionSchema } from './schema-introspection.ts'
import { jwks, jwksFile } from './schema-issuer-keys.ts'
import { map, section } from './shape.ts'

const texts = (maxLength: number, example: string) =>
  ({
    type: 'string',
    pattern: `^[^\\p{C}]{1,${maxLength}}$`,
    patternErrorMessage: `must be text of 1 to ${maxLength} characters`,
    examples: [example],
  }) as const

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
    ...texts(256, example),
    'x-default': 'of the preset',
    description: `${description} A name that begins with \`/\` is a JSON Pointer (RFC 6901) into the claims, any other the name of a claim.`,
  }) as const

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
        items: texts(512, 'https://api.example.com'),
        maxItems: 32,
        uniqueItems: true,
        'x-default': 'none; needed, but for `cognito`',
        description:
          'Who tokens must be meant for (`aud`): one of these. Access tokens of Amazon Cognito name nobody unless a resource was asked for: left out there, `clientIds` takes its place.',
        examples: [['https://api.example.com']],
      },
      clientIds: {
        type: 'array',
        items: texts(255, 'batch-jobs'),
        maxItems: 1000,
        uniqueItems: true,
        'x-default': 'every client’s',
        description: 'Clients whose tokens are taken, as the claim says them that names the client.',
        examples: [['6f9c1d3e', 'batch-jobs']],
      },
      tenant: {
        type: 'string',
        pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
        patternErrorMessage:
          'must be the id of a tenant, 8-4-4-4-12 digits 0-9a-f; not `common` or `organizations`, which are anybody’s',
        'x-default': 'none; needed for `entra`',
        description: 'The one tenant of Microsoft Entra ID whose tokens are taken (`tid`).',
        examples: ['72f988bf-86f1-41af-91ab-2d7cd011db47'],
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
        items: texts(64, 'at+jwt'),
        maxItems: 8,
        uniqueItems: true,
        'x-default': 'of the preset; `[at+jwt]` for `generic`',
        description:
          'Values of the header `typ` that access tokens of this issuer have (RFC 9068 says `at+jwt`); `untyped` stands for a header without it. A token of another type than `at+jwt` must show by its claims that it is no ID token.',
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
      jwksFile,
      jwks,
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
          'To what tokens of this issuer must be bound (`cnf`, RFC 7800): to a key that callers prove with DPoP, to the certificate of their connection, to either, or to nothing. A token that is bound is never taken without proof, whatever stands here. `certificate` is refused as long as the gateway ends no TLS itself.',
        examples: ['dpop'],
      },
      project: {
        ...projectId,
        'x-default': '`proj_default`; none where there are `projects`',
        description: 'Id of the project that its callers belong to, unless one of `projects` fits.',
        examples: ['proj_01jx2m3n4p5q6r7s8t9vwxyz01'],
      },
      projects: projectsSchema,
      environment: {
        type: 'string',
        enum: ['live', 'test'],
        default: 'live' as unknown,
        description:
          'Which models its callers reach: `test` those of providers tagged `test`, `live` all but the sandbox.',
        examples: ['test'],
      },
      grants: grantsSchema,
      claims: section(
        'Names of claims, where they differ from the preset’s.',
        {
          subject: claim('Who the token is about.', 'sub'),
          client: claim('The client that it was issued to.', 'azp'),
          session: claim('The session that it belongs to.', 'sid'),
        },
        ['subject', 'client', 'session'],
      ),
      authentication: section(
        'How people must have logged in at this issuer; who has not is asked to do so again (RFC 9470).',
        {
          acrValues: {
            type: 'array',
            items: {
              type: 'string',
              pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,256}$',
              patternErrorMessage:
                'must be text of 1 to 256 printable ASCII characters without spaces, `"` and `\\`; numbers in quotes',
              examples: ['phr'],
            },
            maxItems: 16,
            uniqueItems: true,
            default: [] as unknown,
            description: 'Authentication context classes (`acr`) of which one is needed; none = any.',
            examples: [['phr', 'phrh']],
          },
          maxAgeSeconds: {
            anyOf: [{ type: 'integer', minimum: 1, maximum: 31_622_400 }, { type: 'null' }],
            default: null as unknown,
            description: 'How long ago the login may have been (`auth_time`), in seconds; `null` = any time.',
            examples: [3600],
          },
        },
      ),
      requiredClaims: condition('Claims that each token must have.', { hd: 'example.com' }),
      introspection: introspectionSchema,
    },
    ['audience', 'clientIds', 'tenant', 'algorithms', 'types', 'jwksUrl', 'jwksFile', 'project', 'introspection'],
  ),
)
