import { checkOrigin, checkPostgresUrl, URL_MESSAGE, URL_PATTERN } from './addresses.ts'
import { accessSchema } from './schema-access.ts'
import { auditSchema } from './schema-audit.ts'
import { decideSchema } from './schema-decide.ts'
import { dpopSchema } from './schema-dpop.ts'
import { identitySchema } from './schema-identity.ts'
import { issuersSchema } from './schema-issuers.ts'
import { leakReportsSchema } from './schema-leak-reports.ts'
import { budgetsSchema, countersSchema, limitsSchema } from './schema-limits.ts'
import { modelsSchema } from './schema-models.ts'
import { connectionCapMembers, overloadSchema } from './schema-overload.ts'
import { policiesSchema } from './schema-policies.ts'
import { providersSchema } from './schema-providers.ts'
import { proxyMembers } from './schema-proxies.ts'
import { servicesSchema } from './schema-services.ts'
import { type Loaded, section } from './shape.ts'

/** The gateway's whole configuration, in the loaded form: defaults applied, secrets as references (`SecretValues` has their values). */
export type Config = Loaded<typeof configSchema> & {
  /**
   * Derived, not configurable: formats whose every model is open to live keys, because the provider came
   * from a variable such as `OPENAI_API_KEY` and the file says nothing of it.
   */
  readonly passthrough: readonly { readonly format: WireFormat; readonly provider: string }[]
  /** Derived, not configurable: what the files of `policies.directory` hold, in the order of their names; `shown` is the path of each. */
  readonly policySources: readonly { readonly file: string; readonly text: string; readonly shown: string }[]
}

export type ProviderConfig = Config['providers'][string]
export type WireFormat = Exclude<ProviderConfig['format'], 'sandbox'>

const LOOPBACK = '^(localhost|::1|127(\\.(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3})$'

const listener = <const P extends number>(port: P) =>
  ({
    host: {
      type: 'string',
      default: 'localhost',
      pattern: LOOPBACK,
      patternErrorMessage:
        'must be `localhost`, `::1` or an address in 127.0.0.0/8: plaintext is served on loopback only; put a proxy that ends TLS on the same machine in front',
      description: 'Where to listen. `localhost` means both 127.0.0.1 and ::1.',
      examples: ['127.0.0.1'],
    },
    port: {
      type: 'integer',
      minimum: 0,
      maximum: 65535,
      default: port as number,
      description: 'TCP port; 0 lets the system choose one.',
      examples: [9000],
    },
    url: {
      type: 'string',
      maxLength: 2048,
      pattern: URL_PATTERN,
      patternErrorMessage: URL_MESSAGE,
      check: checkOrigin,
      'x-default': '`http://<host>:<port>`',
      description:
        'How callers reach this listener, if through a proxy: scheme, host and port. Absolute URLs are made from it, never from the `Host` header.',
      examples: ['https://ai.example.com'],
    },
  }) as const

const store = {
  description: 'Where keys and events are kept.',
  default: { kind: 'sqlite' } as unknown,
  anyOf: [
    section('A file in the data directory.', {
      kind: { type: 'string', const: 'sqlite', description: 'SQLite in the data directory.', examples: ['sqlite'] },
    }),
    section('A PostgreSQL server.', {
      kind: { type: 'string', const: 'postgres', description: 'PostgreSQL.', examples: ['postgres'] },
      url: {
        type: 'string',
        'x-secret': true,
        'x-before-store': true,
        check: checkPostgresUrl,
        description: 'Reference to the connection URL, `postgres://user:password@host/database`.',
        examples: ['env:DATABASE_URL'],
      },
      poolSize: {
        type: 'integer',
        minimum: 1,
        maximum: 1000,
        default: 10,
        description: 'Connections a process thread may hold at once.',
        examples: [20],
      },
    }),
  ],
} as const

const keys = section('Life of API keys.', {
  prefix: {
    type: 'string',
    default: 'sk',
    pattern: '^[a-z][a-z0-9]{1,11}$',
    patternErrorMessage: 'must be 2 to 12 lower-case letters and digits, a letter first',
    description: 'What new keys begin with. Keys made under another prefix stay valid.',
    examples: ['acme'],
  },
  defaultLifetimeDays: {
    type: 'integer',
    minimum: 1,
    maximum: 36500,
    default: 90,
    description: 'Lifetime of a new key that asks for none, in days.',
    examples: [30],
  },
  maxLifetimeDays: {
    anyOf: [{ type: 'integer', minimum: 1, maximum: 36500 }, { type: 'null' }],
    default: 90 as unknown,
    description:
      'Longest lifetime a new key may have, in days; `null` = no maximum, so that keys without an end may be made.',
    examples: [365, null],
  },
  cacheSize: {
    type: 'integer',
    minimum: 0,
    maximum: 10_000_000,
    default: 10_000,
    description: 'How many verified keys a worker remembers.',
    examples: [100_000],
  },
  leakReports: leakReportsSchema,
})

const admin = section('The admin API.', {
  tokens: section('Life of operator tokens.', {
    maxLifetimeDays: {
      anyOf: [{ type: 'integer', minimum: 1, maximum: 36500 }, { type: 'null' }],
      default: 90 as unknown,
      description:
        'Longest lifetime a new operator token may have, in days; `null` = no maximum, so that tokens without an end may be made. One that asks for none lives 90 days, or this if it is less.',
      examples: [30, null],
    },
  }),
})

const requests = section('Bounds of what callers may send to the public listener.', {
  maxBodyBytes: {
    type: 'integer',
    minimum: 1024,
    maximum: 1024 * 1024 * 1024,
    default: 32 * 1024 * 1024,
    description:
      'Largest body, in bytes. The default, 32 MiB, leaves room for images, which travel inside JSON as base64.',
    examples: [1_048_576],
  },
  maxJsonDepth: {
    type: 'integer',
    minimum: 8,
    maximum: 1000,
    default: 64,
    description: 'Deepest nesting of a JSON body.',
    examples: [128],
  },
  timeoutMs: {
    type: 'integer',
    minimum: 100,
    maximum: 3_600_000,
    default: 60_000,
    description: 'Time in which the whole request must have arrived.',
    examples: [300_000],
  },
  headTimeoutMs: {
    type: 'integer',
    minimum: 100,
    maximum: 3_600_000,
    default: 10_000,
    description:
      'Time in which the head of the request must have arrived; also the longest pause within a body that is passed on to a service.',
    examples: [5000],
  },
  onHangUp: {
    type: 'string',
    enum: ['stop', 'drain'],
    default: 'stop' as unknown,
    description:
      'When a caller hangs up: `stop` the provider and count what was received, or `drain`, that is read on so that the provider’s own count is known.',
    examples: ['drain'],
  },
  drainMs: {
    type: 'integer',
    minimum: 1,
    maximum: 600_000,
    default: 10_000,
    description: 'How long a provider is read on after its caller has hung up, if `onHangUp` is `drain`.',
    examples: [30_000],
  },
  maxConnections: {
    type: 'integer',
    minimum: 1,
    maximum: 1_000_000,
    default: 10_000,
    description: 'Connections a worker holds at once; further ones are closed.',
    examples: [2000],
  },
  ...connectionCapMembers,
})

/** One schema for the file, the loaded form, `ostiary.schema.json` and the reference page. */
export const configSchema = section('Configuration of the Ostiary gateway.', {
  listeners: section('Addresses the gateway listens on.', {
    public: section('The gateway itself: what callers of models reach.', { ...listener(8400), ...proxyMembers }, [
      'hops',
    ]),
    admin: section('Admin API, health and readiness.', listener(8401)),
  }),
  workers: {
    anyOf: [{ type: 'integer', minimum: 1, maximum: 64 }, { const: 'auto' }],
    default: 'auto' as unknown,
    description: 'Threads that serve the public listener; `auto` = one per core.',
    examples: [4],
  },
  store,
  keys,
  audit: auditSchema,
  admin,
  requests,
  access: accessSchema,
  overload: overloadSchema,
  issuers: issuersSchema,
  dpop: dpopSchema,
  policies: policiesSchema,
  identity: identitySchema,
  decide: decideSchema,
  providers: providersSchema,
  models: modelsSchema,
  services: servicesSchema,
  limits: limitsSchema,
  budgets: budgetsSchema,
  counters: countersSchema,
  usage: section('The sums of what calls used.', {
    retentionDays: {
      anyOf: [{ type: 'integer', minimum: 62, maximum: 36_500 }, { type: 'null' }],
      default: 400 as unknown,
      description:
        'How long sums by the hour are kept, in days; `null` = for ever. The default holds a year and the same month of the year before. 62 at least, because a budget that is new counts what its month has used already; one for all time counts what is kept.',
      examples: [800, null],
    },
  }),
  sandbox: {
    type: 'boolean',
    default: true,
    description:
      'Whether the built-in provider and model `sandbox` exist. They answer test keys without leaving the machine.',
    examples: [false],
  },
  drainTimeoutMs: {
    type: 'integer',
    minimum: 0,
    maximum: 3_600_000,
    default: 30_000,
    description: 'How long a stopping gateway waits for running calls before it cuts them.',
    examples: [120_000],
  },
  secrets: section('The vault of secrets.', {
    warnAgeDays: {
      type: 'integer',
      minimum: 1,
      maximum: 36_500,
      default: 180,
      description: 'Age from which the log warns of a secret that was not rotated, in days.',
      examples: [90],
    },
  }),
  log: section('The gateway’s log, JSON lines on standard error.', {
    level: {
      type: 'string',
      enum: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
      default: 'info' as unknown,
      description: 'Least severity that is written.',
      examples: ['debug'],
    },
  }),
})
