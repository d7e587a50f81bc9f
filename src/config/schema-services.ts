import { checkBaseUrl, URL_MESSAGE, URL_PATTERN } from './addresses.ts'
import { accessLists } from './schema-access.ts'
import { requireSchema } from './schema-require.ts'
import { map, section } from './shape.ts'

const NAME = '^[a-z][a-z0-9-]{0,31}$'

const operations = map(
  {
    description:
      'Finer names for what may be done with the service: of the first that fits, in their order, a caller needs the scopes. What none fits is `read` (GET, HEAD, OPTIONS) or `write` (any other method).',
    pattern: NAME,
    names: 'an operation’s name is 1 to 32 lower-case letters, digits and hyphens, a letter first',
    examples: [{ edit: { methods: ['PUT'], paths: ['/items/*'] } }],
  },
  section(
    'One operation. Its id is `<service>.<name>`, which policies, limits and keys name.',
    {
      methods: {
        type: 'array',
        items: { type: 'string', enum: ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE', 'QUERY'] },
        maxItems: 8,
        uniqueItems: true,
        'x-default': 'any',
        description: 'Its methods; `GET` stands for HEAD too.',
        examples: [['PUT', 'PATCH']],
      },
      paths: {
        type: 'array',
        items: {
          type: 'string',
          maxLength: 1024,
          pattern: '^/(?:[^/\\p{C}]+(?:/[^/\\p{C}]+)*)?$',
          patternErrorMessage: 'must be a path that begins with a slash, without empty segments and one at its end',
        },
        maxItems: 100,
        uniqueItems: true,
        'x-default': 'any',
        description:
          'Its paths below the service, in clear (`/my items`, not `/my%20items`). `*` stands for any characters of one segment, the segment `**` for any number of segments. A slash at the end of a request’s path makes no difference.',
        examples: [['/items/*', '/lists/**']],
      },
      scopes: {
        type: 'array',
        items: {
          type: 'string',
          pattern: '^[\\x21\\x23-\\x5B\\x5D-\\x7E]{1,128}$',
          patternErrorMessage: 'must be a scope: 1 to 128 visible ASCII characters without `"` and `\\`',
        },
        maxItems: 16,
        uniqueItems: true,
        'x-default': '`<service>:<name>`',
        description: 'Scopes that a credential needs for it, all of them.',
        examples: [['catalog:edit']],
      },
      ...accessLists,
      require: requireSchema,
    },
    ['methods', 'paths', 'scopes', 'allow'],
  ),
)

/** HTTP services behind the gateway. What one member means for another is in rules-services.ts. */
export const servicesSchema = map(
  {
    description:
      'Servers of your own behind the same door, by a name of your choice: callers are authenticated, their calls decided, counted and recorded, and passed on as they are.',
    pattern: NAME,
    names: 'a service’s name is 1 to 32 lower-case letters, digits and hyphens, a letter first',
    examples: [{ catalog: { url: 'http://localhost:3000', path: '/catalog' } }],
  },
  section(
    'One service. It is found by `path`, by `host`, or by both.',
    {
      url: {
        type: 'string',
        maxLength: 2048,
        pattern: URL_PATTERN,
        patternErrorMessage: URL_MESSAGE,
        check: checkBaseUrl,
        description:
          'Where the service is: `https`, or `http` to a loopback host. Its path, if it has one, comes before the caller’s. A service without it is only decided about, at `/decide`.',
        examples: ['http://localhost:3000', 'https://catalog.internal.example.com/api'],
      },
      path: {
        type: 'string',
        maxLength: 256,
        pattern: "^(?:/(?!\\.{1,2}(?:/|$))[A-Za-z0-9._~!$&'()+,=:@-]+)+$",
        patternErrorMessage: 'must be a path such as `/catalog`, without a slash at its end',
        description:
          'Path on the public listener below which the service is: `/catalog` is it and all below `/catalog/`.',
        examples: ['/catalog'],
      },
      host: {
        type: 'string',
        maxLength: 253,
        pattern: '^(?:\\*\\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$',
        patternErrorMessage:
          'must be a host name in lower case, without a port, such as `catalog.example.com` or `*.example.com`',
        description:
          'Host that callers name in `Host`, whatever the port; `*.` at its beginning stands for one or more labels.',
        examples: ['catalog.example.com', '*.apps.example.com'],
      },
      stripPath: {
        type: 'boolean',
        default: true,
        description: 'Whether `path` is taken off before the request is passed on.',
        examples: [false],
      },
      tags: {
        type: 'array',
        items: {
          type: 'string',
          pattern: NAME,
          patternErrorMessage: 'must be 1 to 32 lower-case letters, digits and hyphens, a letter first',
        },
        maxItems: 16,
        uniqueItems: true,
        default: [] as unknown,
        description: 'Labels. `test` means that test credentials may use this service.',
        examples: [['test']],
      },
      credential: {
        type: 'string',
        'x-secret': true,
        description:
          'Reference to what the gateway authenticates by at the service. The caller’s own credential ends here.',
        examples: ['env:CATALOG_TOKEN', 'secret:catalog'],
      },
      credentialHeader: {
        type: 'string',
        pattern: '^[A-Za-z][A-Za-z0-9-]{0,63}$',
        patternErrorMessage: 'must be the name of a header: letters, digits and hyphens',
        default: 'Authorization',
        description: 'Header that `credential` is sent in.',
        examples: ['X-Api-Key'],
      },
      credentialScheme: {
        type: 'string',
        pattern: '^[A-Za-z][A-Za-z0-9-]{0,31}$',
        patternErrorMessage: 'must be an authentication scheme, such as `Bearer` or `Basic`',
        'x-default': '`Bearer` in `Authorization`, none elsewhere',
        description: 'Authentication scheme that stands before `credential`.',
        examples: ['Basic'],
      },
      callerToken: {
        type: 'string',
        pattern: NAME,
        description:
          'Name of an issuer whose tokens this service takes: the caller’s own is sent, as `Authorization: Bearer`, in place of `credential`, and calls without such a token are refused.',
        examples: ['company'],
      },
      stripHeaders: {
        type: 'array',
        items: {
          type: 'string',
          pattern: '^[A-Za-z][A-Za-z0-9-]{0,63}$',
          patternErrorMessage: 'must be the name of a header: letters, digits and hyphens',
        },
        maxItems: 64,
        uniqueItems: true,
        default: [] as unknown,
        description:
          'Further headers of callers that it is never sent, however they are spelled, beside those that forge who calls, from where, or what was asked: whatever this service believes.',
        examples: [['X-Staff-Id']],
      },
      operations,
      caseSensitive: {
        type: 'boolean',
        default: false,
        description:
          'Whether the service takes `/admin` and `/Admin` for two paths. Unless it says so, `paths` of operations fit every spelling that some server takes for the same: whatever the case, compatibility forms of Unicode.',
        examples: [true],
      },
      ...accessLists,
      identity: {
        type: 'boolean',
        default: true,
        description:
          'Whether it is told who calls, in headers and by a signed token. `false` for a service that is not yours.',
        examples: [false],
      },
      require: requireSchema,
      webSocket: {
        type: 'boolean',
        default: false,
        description: 'Whether callers may open WebSockets to it, by the operation `connect`.',
        examples: [true],
      },
      maxBodyBytes: {
        type: 'integer',
        minimum: 0,
        maximum: 1024 * 1024 * 1024 * 1024,
        default: 32 * 1024 * 1024,
        description: 'Largest body of a request, in bytes. It is passed on as it comes, never gathered.',
        examples: [1_073_741_824],
      },
      connectTimeoutMs: {
        type: 'integer',
        minimum: 1,
        maximum: 600_000,
        default: 10_000,
        description: 'Time to connect, TLS included.',
        examples: [3000],
      },
      timeoutMs: {
        type: 'integer',
        minimum: 1,
        maximum: 3_600_000,
        default: 60_000,
        description: 'Time from the last of what was sent to the head of the answer.',
        examples: [10_000],
      },
      idleTimeoutMs: {
        type: 'integer',
        minimum: 1,
        maximum: 3_600_000,
        default: 300_000,
        description: 'Longest pause within an answer, and of a WebSocket in both directions.',
        examples: [60_000],
      },
      connections: {
        type: 'integer',
        minimum: 1,
        maximum: 65_535,
        default: 256,
        description: 'Connections a worker holds at most; WebSockets are not among them.',
        examples: [32],
      },
      allowPrivateNetwork: {
        type: 'boolean',
        'x-default': '`false`; `true` if the host of `url` is loopback',
        description: 'Whether the host may resolve to a private, loopback or link-local address.',
        examples: [true],
      },
    },
    ['url', 'path', 'host', 'credential', 'credentialScheme', 'callerToken', 'allow'],
  ),
)
