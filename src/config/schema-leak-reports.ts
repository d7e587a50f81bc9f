import { P256_PEM, readP256Key } from '#core/p256-key.ts'
import { checkEndpoint, URL_MESSAGE, URL_PATTERN } from './addresses.ts'
import { map, section } from './shape.ts'

const KEY_MESSAGE = 'must be a public key in PEM, ECDSA on the curve P-256'
const EXAMPLE =
  '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8p9pYuhk119MshuIMAerCk1ZMyC+\nn4v0iCDh8koDYetBH0cKVFHMgl4p4jBzJ1Xt+3PmphBEE2wKMxFkoYOnzA==\n-----END PUBLIC KEY-----'

/** Who may report, signed, that texts of keys were found where they should not be, and what becomes of the keys. */
export const leakReportsSchema = section(
  'Reports of leaked keys, in the format of GitHub’s secret scanning, at `POST /leaked-keys` of the public listener. Off, like any unknown path, unless `publicKeys` or `keysUrl` is set.',
  {
    action: {
      type: 'string',
      enum: ['revoke', 'flag'],
      default: 'revoke' as unknown,
      description:
        'What becomes of a key whose text is reported, here or by `ostiary keys report-leak`. `revoke`: it ends. `flag`: it is marked, and works on.',
      examples: ['flag'],
    },
    publicKeys: map(
      {
        description: 'Keys that reports are signed with, by the identifier that a report names.',
        pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$',
        names: 'an identifier is 1 to 128 letters, digits and `._-`, a letter or digit first',
        examples: [{ 'scanner-2026': EXAMPLE }],
      },
      {
        type: 'string',
        maxLength: 1000,
        pattern: P256_PEM,
        patternErrorMessage: KEY_MESSAGE,
        check: checkPublicKey,
        description: 'Public key in PEM, ECDSA on the curve P-256.',
        examples: [EXAMPLE],
      },
    ),
    keysUrl: {
      type: 'string',
      maxLength: 2048,
      pattern: URL_PATTERN,
      patternErrorMessage: URL_MESSAGE,
      check: checkEndpoint,
      description:
        'Where further keys are fetched from, as GitHub publishes its own: `{"public_keys": [{"key_identifier", "key"}]}`. Fetched when a report names a key that is not known, at most every five minutes.',
      examples: ['https://api.github.com/meta/public_keys/secret_scanning'],
    },
    allowPrivateNetwork: {
      type: 'boolean',
      default: false,
      description: 'Whether the name in `keysUrl` may resolve to a private address.',
      examples: [true],
    },
    maxReportsPerMinute: {
      type: 'integer',
      minimum: 1,
      maximum: 10_000,
      default: 60,
      description: 'Signed reports taken in a minute; further ones are answered 429.',
      examples: [10],
    },
  },
  ['keysUrl'],
)

/** What is wrong with a key that reports shall be verified with; undefined = nothing. */
function checkPublicKey(text: string): string | undefined {
  return readP256Key(text) === null ? KEY_MESSAGE : undefined
}
