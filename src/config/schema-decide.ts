import { parseCidr } from '#core/cidr.ts'
import { checkOrigin, URL_MESSAGE, URL_PATTERN } from './addresses.ts'
import { map, section } from './shape.ts'

const MIN_SECRET_LENGTH = 32

/** Other proxies that ask the gateway for decisions. */
export const decideSchema = section(
  'Decisions for other proxies, at `/decide`: they pass calls on themselves, and ask the gateway about each. Off, like any unknown path, unless a proxy is named.',
  {
    proxies: map(
      {
        description: 'Proxies that may ask, by a name of your choice. Anybody else meets an unknown path.',
        pattern: '^[a-z][a-z0-9-]{0,31}$',
        names: 'a proxy’s name is 1 to 32 lower-case letters, digits and hyphens, a letter first',
        examples: [
          {
            edge: {
              dialect: 'nginx',
              addresses: ['127.0.0.1'],
              secret: 'env:EDGE_SECRET',
              origins: ['https://app.example.com'],
            },
          },
        ],
      },
      section('One proxy.', {
        dialect: {
          type: 'string',
          enum: ['nginx', 'forward-auth', 'envoy'],
          description:
            'In which words it asks: `nginx` (`auth_request`, at `/decide/nginx`), `forward-auth` (Traefik and Caddy, at `/decide/forward-auth`) or `envoy` (`ext_authz` over HTTP, below `/decide/envoy`).',
          examples: ['nginx'],
        },
        addresses: {
          type: 'array',
          items: {
            type: 'string',
            maxLength: 64,
            pattern: '^[0-9A-Fa-f.:]{2,45}(/[0-9]{1,3})?$',
            patternErrorMessage: 'must be an address or block such as 10.0.0.0/8 or 2001:db8::/32',
            check: (text: string) => {
              const read = parseCidr(text)
              return typeof read === 'string' ? read : undefined
            },
          },
          maxItems: 64,
          uniqueItems: true,
          description: 'Addresses and blocks from which it connects: of the connection itself, not of a header.',
          examples: [['127.0.0.1', '10.1.2.0/24']],
        },
        secret: {
          type: 'string',
          'x-secret': true,
          check: (text: string) =>
            text.length < MIN_SECRET_LENGTH ? `is shorter than ${MIN_SECRET_LENGTH} characters` : undefined,
          description:
            'Reference to what it proves itself by, in the header `X-Ostiary-Proxy-Secret`: 32 characters at least. While a rotation in the vault lasts, both values are taken.',
          examples: ['secret:edge', 'env:EDGE_SECRET'],
        },
        origins: {
          type: 'array',
          items: {
            type: 'string',
            maxLength: 2048,
            pattern: URL_PATTERN,
            patternErrorMessage: URL_MESSAGE,
            check: checkOrigin,
          },
          maxItems: 100,
          uniqueItems: true,
          description:
            'Origins by which callers reach it. Only about these it may ask, and proofs of possession (DPoP) must be made for them.',
          examples: [['https://app.example.com']],
        },
      }),
    ),
  },
)
