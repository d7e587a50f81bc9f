import { checkBaseUrl, URL_MESSAGE, URL_PATTERN } from './addresses.ts'
import { map, type SchemaNode, section } from './shape.ts'

const tags = (initial: readonly string[], description: string) =>
  ({
    type: 'array',
    items: {
      type: 'string',
      pattern: '^[a-z][a-z0-9-]{0,31}$',
      patternErrorMessage: 'must be 1 to 32 lower-case letters, digits and hyphens, a letter first',
    },
    maxItems: 16,
    uniqueItems: true,
    default: initial as unknown,
    description,
    examples: [['test']],
  }) as const

/** A provider reached over HTTP, of one wire format. */
const remote = <const F extends string, const M extends Readonly<Record<string, SchemaNode>>>(
  format: F,
  baseUrl: string,
  variable: string,
  members: M,
) =>
  section(
    'A server reached over HTTP.',
    {
      format: { type: 'string', const: format, description: 'Wire format that the server speaks.', examples: [format] },
      baseUrl: {
        type: 'string',
        maxLength: 2048,
        pattern: URL_PATTERN,
        patternErrorMessage: URL_MESSAGE,
        check: checkBaseUrl,
        default: baseUrl,
        description:
          'Where the API begins, without its version. `https` only; `http` to a loopback host, such as a local model server.',
        examples: [baseUrl, 'http://localhost:11434'],
      },
      credential: {
        type: 'string',
        'x-secret': true,
        description: 'Reference to the API key. A local model server may need none.',
        examples: [`env:${variable}`, 'file:/run/secrets/provider-key', `secret:${format}`],
      },
      callerToken: {
        type: 'string',
        pattern: '^[a-z][a-z0-9-]{0,31}$',
        description:
          'Name of an issuer whose tokens this server takes: the caller’s own is sent, as `Authorization: Bearer`, in place of `credential`, and calls without such a token are refused. Without it the caller’s token ends here.',
        examples: ['company'],
      },
      tags: tags([], 'Labels. `test` means that test keys may use this provider.'),
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
        default: 600_000,
        description: 'Time to the head of the answer.',
        examples: [60_000],
      },
      idleTimeoutMs: {
        type: 'integer',
        minimum: 1,
        maximum: 3_600_000,
        default: 300_000,
        description: 'Longest pause within an answer.',
        examples: [60_000],
      },
      connections: {
        type: 'integer',
        minimum: 1,
        maximum: 65_535,
        default: 256,
        description: 'Connections a worker holds at most.',
        examples: [32],
      },
      allowPrivateNetwork: {
        type: 'boolean',
        'x-default': '`false`; `true` if the host of `baseUrl` is loopback',
        description: 'Whether the host may resolve to a private, loopback or link-local address.',
        examples: [true],
      },
      ...members,
    },
    ['credential', 'callerToken'],
  )

/** What differs among the servers that speak OpenAI's format. */
const ofOpenai = {
  streamUsage: {
    type: 'string',
    enum: ['ask', 'leave'],
    default: 'ask' as unknown,
    description:
      'Chat streams tell their use only if asked to. `ask` puts `stream_options.include_usage` into requests without it, and takes the extra chunk out again; `leave` is for servers that refuse it, and what such streams use is then estimated.',
    examples: ['leave'],
  },
  maxTokensMember: {
    type: 'string',
    enum: ['max_completion_tokens', 'max_tokens'],
    'x-default': '`max_completion_tokens` at `openai.com` and Azure, else `max_tokens`',
    description: 'How the server calls a chat’s maximum of output tokens, for models with `maxOutputTokens`.',
    examples: ['max_tokens'],
  },
} as const

const sandbox = section(
  'Answers from within the gateway, for tests: no network, no cost, one answer for one question.',
  {
    format: {
      type: 'string',
      const: 'sandbox',
      description: 'The built-in simulator, which speaks every format.',
      examples: ['sandbox'],
    },
    tags: tags(['test'], 'Labels. A sandbox is always tagged `test`.'),
    latencyMs: {
      type: 'integer',
      minimum: 0,
      maximum: 600_000,
      default: 0,
      description: 'Pause before the head of the answer.',
      examples: [500],
    },
    chunks: {
      type: 'integer',
      minimum: 1,
      maximum: 10_000,
      default: 8,
      description: 'Pieces a streamed text comes in.',
      examples: [100],
    },
    chunkDelayMs: {
      type: 'integer',
      minimum: 0,
      maximum: 600_000,
      default: 20,
      description: 'Pause between two pieces.',
      examples: [0],
    },
    failure: {
      type: 'string',
      enum: ['none', 'error', 'overloaded', 'reset', 'garbage', 'hang'],
      default: 'none' as unknown,
      description:
        'How to fail, if at all: answer an error or overload, reset the connection, send what is not HTTP, or never answer.',
      examples: ['overloaded'],
    },
  },
)

export const providersSchema = map(
  {
    description: 'Where models run, by a name of your choice.',
    pattern: '^[a-z][a-z0-9-]{0,31}$',
    names: 'a provider’s name is 1 to 32 lower-case letters, digits and hyphens, a letter first',
    examples: [{ openai: { format: 'openai', credential: 'env:OPENAI_API_KEY' } }],
  },
  {
    description: 'One provider; `format` decides which members it has.',
    anyOf: [
      remote('openai', 'https://api.openai.com', 'OPENAI_API_KEY', ofOpenai),
      remote('anthropic', 'https://api.anthropic.com', 'ANTHROPIC_API_KEY', {}),
      remote('gemini', 'https://generativelanguage.googleapis.com', 'GEMINI_API_KEY', {}),
      sandbox,
    ],
  },
)
