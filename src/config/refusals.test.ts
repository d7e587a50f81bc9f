import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { refuse } from './load-for-test.ts'

const REFERENCE =
  'must be a reference to a secret, `env:NAME`, `file:PATH`, `secret:NAME` or `enc:…`; secrets are not written into the configuration'
const EARLY_REFERENCE =
  'must be a reference to a secret, `env:NAME`, `file:PATH` or `enc:…`; not `secret:NAME`, which is kept in the store that this opens'
const LOOPBACK =
  'must be `localhost`, `::1` or an address in 127.0.0.0/8: plaintext is served on loopback only; put a proxy that ends TLS on the same machine in front'
const issuer = (members: string) => `issuers: { a: { issuer: "https://id.example.com", ${members} } }`
const ISSUER_MISSING = 'ostiary.yaml:1:12: issuers.a.issuer: is missing: must be a URL that begins with https://'
const AUDIENCE_MISSING =
  'ostiary.yaml:1:12: issuers.a.audience: is missing: tokens that were meant for somebody else would be taken'
const TENANT = '72f988bf-86f1-41af-91ab-2d7cd011db47'
const entra = (members: string) => `issuers: { a: { preset: entra, audience: [x], ${members} } }`
const provider = (member: string) => `providers: { a: { format: openai, ${member} } }`

/** What is written, and every line of its refusal. */
const refusals: [yaml: string, ...lines: string[]][] = [
  // Members and types
  ['lisners: {}', 'ostiary.yaml:1:1: lisners: unknown member; did you mean "listeners"?'],
  [
    'listeners:\n  public:\n    prot: 9',
    'ostiary.yaml:3:5: listeners.public.prot: unknown member; did you mean "port"?',
  ],
  ['constructor: 1', 'ostiary.yaml:1:1: constructor: unknown member'],
  ['__proto__: { workers: 1 }', 'ostiary.yaml:1:1: ["__proto__"]: unknown member'],
  ['<<: { workers: 1 }', 'ostiary.yaml:1:1: ["<<"]: unknown member'],
  ['- 1', 'ostiary.yaml: must be a mapping of members'],
  ['text', 'ostiary.yaml: must be a mapping of members'],
  ['listeners:', 'ostiary.yaml:1:1: listeners: must be a mapping of members'],
  ['listeners: []', 'ostiary.yaml:1:1: listeners: must be a mapping of members'],
  [
    'listeners: { public: { port: 65536 }, admin: { port: "1" } }',
    'ostiary.yaml:1:24: listeners.public.port: must be an integer from 0 to 65535',
    'ostiary.yaml:1:48: listeners.admin.port: must be an integer from 0 to 65535',
  ],
  ['listeners: { public: { host: 0.0.0.0 } }', `ostiary.yaml:1:24: listeners.public.host: ${LOOPBACK}`],
  ['listeners: { public: { host: 127.0.0.256 } }', `ostiary.yaml:1:24: listeners.public.host: ${LOOPBACK}`],
  ['listeners: { admin: { host: "::" } }', `ostiary.yaml:1:23: listeners.admin.host: ${LOOPBACK}`],
  [
    'listeners: { public: { url: "http://example.com" } }',
    'ostiary.yaml:1:24: listeners.public.url: must begin with https://; http:// is for loopback hosts only',
  ],
  [
    'listeners: { public: { url: "https://example.com/ai" } }',
    'ostiary.yaml:1:24: listeners.public.url: must not have a path',
  ],
  [
    'listeners: { public: { port: 8401 } }',
    'ostiary.yaml:1:1: listeners.admin.port: must differ from listeners.public.port',
  ],
  ['workers: 0', 'ostiary.yaml:1:1: workers: must be an integer from 1 to 64 or "auto"'],
  ['workers: many', 'ostiary.yaml:1:1: workers: must be an integer from 1 to 64 or "auto"'],
  ['workers: 1.5', 'ostiary.yaml:1:1: workers: must be an integer from 1 to 64 or "auto"'],
  ['drainTimeoutMs: .inf', 'ostiary.yaml:1:1: drainTimeoutMs: must be an integer from 0 to 3600000'],
  [
    'requests: { onHangUp: dran }',
    'ostiary.yaml:1:13: requests.onHangUp: must be one of "stop", "drain"; did you mean "drain"?',
  ],
  [
    'providers: { a: { format: gemini, streamUsage: ask } }',
    'ostiary.yaml:1:35: providers.a.streamUsage: unknown member',
  ],
  ['sandbox: yes', 'ostiary.yaml:1:1: sandbox: must be true or false'],
  [
    'log: { level: inf }',
    'ostiary.yaml:1:8: log.level: must be one of "fatal", "error", "warn", "info", "debug", "trace", "silent"; did you mean "info"?',
  ],
  [
    'keys: { prefix: SK }',
    'ostiary.yaml:1:9: keys.prefix: must be 2 to 12 lower-case letters and digits, a letter first',
  ],
  [
    'keys: { defaultLifetimeDays: 91 }',
    'ostiary.yaml:1:9: keys.defaultLifetimeDays: must not exceed keys.maxLifetimeDays, which is 90',
  ],
  [
    'keys: { maxLifetimeDays: 0 }',
    'ostiary.yaml:1:9: keys.maxLifetimeDays: must be an integer from 1 to 36500 or null',
  ],
  ['requests: { maxJsonDepth: 1 }', 'ostiary.yaml:1:13: requests.maxJsonDepth: must be an integer from 8 to 1000'],
  // Store
  [
    'keys: { leakReports: { publicKeys: { a: "-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n", b: x, "c d": x } } }',
    'ostiary.yaml:1:38: keys.leakReports.publicKeys.a: must be a public key in PEM, ECDSA on the curve P-256',
    'ostiary.yaml:1:107: keys.leakReports.publicKeys.b: must be a public key in PEM, ECDSA on the curve P-256',
    'ostiary.yaml:1:113: keys.leakReports.publicKeys["c d"]: not a name: an identifier is 1 to 128 letters, digits and `._-`, a letter or digit first',
  ],
  [
    'keys: { leakReports: { keysUrl: http://keys.example/k } }',
    'ostiary.yaml:1:24: keys.leakReports.keysUrl: must begin with https://; http:// is for loopback hosts only',
  ],
  ['store: { kind: mysql }', 'ostiary.yaml:1:10: store.kind: must be one of "sqlite", "postgres"'],
  ['store: sqlite', 'ostiary.yaml:1:1: store: must be a mapping of members'],
  ['store: { kind: sqlite, url: env:X }', 'ostiary.yaml:1:24: store.url: unknown member'],
  ['store: { kind: postgres }', `ostiary.yaml:1:1: store.url: is missing: ${EARLY_REFERENCE}`],
  ['store: { kind: postgres, url: secret:db }', `ostiary.yaml:1:26: store.url: ${EARLY_REFERENCE}`],
  ['store: { kind: postgres, url: env:KEY }', 'ostiary.yaml:1:26: store.url: env:KEY must begin with postgres://'],
  // Audit
  ['audit: { mode: fast }', 'ostiary.yaml:1:10: audit.mode: must be one of "batched", "durable"'],
  ['audit: { checkpointSeconds: 0 }', 'ostiary.yaml:1:10: audit.checkpointSeconds: must be an integer from 1 to 86400'],
  ['audit: { retentionDays: 0 }', 'ostiary.yaml:1:10: audit.retentionDays: must be an integer from 1 to 36500 or null'],
  ['audit: { anchors: { file: "" } }', 'ostiary.yaml:1:21: audit.anchors.file: must be the path of a file'],
  [
    'audit: { anchors: { webhook: "https://x.example.com/" } }',
    'ostiary.yaml:1:10: audit.anchors.webhookSecret: is missing: what is sent to `webhook` is signed',
  ],
  [
    'audit: { anchors: { s3: "https://b.example/a%20b", s3Region: EU } }',
    'ostiary.yaml:1:21: audit.anchors.s3: must have a path of letters, digits and `._~-`',
    'ostiary.yaml:1:52: audit.anchors.s3Region: must be the name of a region, such as eu-central-1',
  ],
  [
    'audit: { anchors: { s3: "https://b.example/a", s3Region: eu } }',
    'ostiary.yaml:1:10: audit.anchors.s3AccessKeyId: is missing: what is sent to `s3` is signed',
    'ostiary.yaml:1:10: audit.anchors.s3SecretAccessKey: is missing: what is sent to `s3` is signed',
  ],
  [
    'audit: { anchors: { webhook: "http://x.example.com/" } }',
    'ostiary.yaml:1:21: audit.anchors.webhook: must begin with https://; http:// is for loopback hosts only',
  ],
  [
    'audit: { anchors: { webhookSecret: env:KEY, webhook: "https://x.example.com/" } }',
    'ostiary.yaml:1:21: audit.anchors.webhookSecret: env:KEY must be `whsec_` and 24 to 64 bytes in base64',
  ],
  // Providers
  [
    'providers: { a: {} }',
    'ostiary.yaml:1:14: providers.a.format: is missing: must be one of "openai", "anthropic", "gemini", "sandbox"',
  ],
  [
    'providers: { a: { format: opnai } }',
    'ostiary.yaml:1:19: providers.a.format: must be one of "openai", "anthropic", "gemini", "sandbox"; did you mean "openai"?',
  ],
  [
    'providers: { A_b: { format: openai } }',
    'ostiary.yaml:1:14: providers.A_b: not a name: a provider’s name is 1 to 32 lower-case letters, digits and hyphens, a letter first',
  ],
  ['providers: { a: null }', 'ostiary.yaml:1:14: providers.a: must be a mapping of members'],
  [
    provider('baseUrl: "http://10.0.0.1"'),
    'ostiary.yaml:1:35: providers.a.baseUrl: must begin with https://; http:// is for loopback hosts only',
  ],
  [
    provider('baseUrl: "http://localhost.example.com"'),
    'ostiary.yaml:1:35: providers.a.baseUrl: must begin with https://; http:// is for loopback hosts only',
  ],
  [
    provider('baseUrl: "ftp://x.example.com"'),
    'ostiary.yaml:1:35: providers.a.baseUrl: must be a URL that begins with https://',
  ],
  [
    provider('baseUrl: "https://me:pw@x.example.com"'),
    'ostiary.yaml:1:35: providers.a.baseUrl: must not contain a user name or password',
  ],
  [provider('baseUrl: "https://x.example.com/?k=1"'), 'ostiary.yaml:1:35: providers.a.baseUrl: must not have a query'],
  [provider('baseUrl: "https://x.example.com/#k"'), 'ostiary.yaml:1:35: providers.a.baseUrl: must not have a fragment'],
  [provider('tags: test'), 'ostiary.yaml:1:35: providers.a.tags: must be a list'],
  [provider('tags: [a, a]'), 'ostiary.yaml:1:35: providers.a.tags: must not name an entry twice'],
  [
    provider('tags: [a, B]'),
    'ostiary.yaml:1:45: providers.a.tags[1]: must be 1 to 32 lower-case letters, digits and hyphens, a letter first',
  ],
  [provider('latencyMs: 1'), 'ostiary.yaml:1:35: providers.a.latencyMs: unknown member'],
  [provider('timeoutMs: 0'), 'ostiary.yaml:1:35: providers.a.timeoutMs: must be an integer from 1 to 3600000'],
  [
    'providers: { a: { format: sandbox, tags: [] } }',
    'ostiary.yaml:1:36: providers.a.tags: must contain "test": a sandbox serves test keys',
  ],
  [
    'providers: { sandbox: { format: openai } }',
    'ostiary.yaml:1:14: providers.sandbox: is the name of the built-in sandbox; choose another or set `sandbox: false`',
  ],
  // Limits and budgets
  [
    'limits: { Fast: { unit: requests } }',
    'ostiary.yaml:1:11: limits.Fast: not a name: a name is 1 to 32 lower-case letters, digits and `-`, a letter first',
  ],
  [
    'limits: { a: { unit: calls, amount: 1 } }',
    'ostiary.yaml:1:16: limits.a.unit: must be one of "requests", "tokens", "input_tokens", "output_tokens", "concurrency"',
  ],
  [
    'limits: { a: { unit: requests, amount: 1 } }',
    'ostiary.yaml:1:11: limits.a.windowSeconds: is missing: how many seconds the requests are counted over',
  ],
  [
    'limits: { a: { unit: concurrency, amount: 1, windowSeconds: 1 } }',
    'ostiary.yaml:1:46: limits.a.windowSeconds: must not be set: calls at once have no window',
  ],
  [
    'limits: { a: { unit: requests, amount: 0, windowSeconds: 1 } }',
    'ostiary.yaml:1:32: limits.a.amount: must be an integer from 1 to 1000000000000',
  ],
  [
    'providers: { a: { format: openai, callerToken: company, credential: env:KEY } }',
    'ostiary.yaml:1:35: providers.a.callerToken: there is no issuer of this name',
    'ostiary.yaml:1:57: providers.a.credential: must not be set: the caller’s token is sent instead',
  ],
  [
    'limits: { a: { unit: concurrency, amount: 1, per: [tenant] } }',
    'ostiary.yaml:1:52: limits.a.per[0]: must be one of "key", "user", "client", "project", "ip", "model", "operation"',
  ],
  [
    'limits: { a: { unit: concurrency, amount: 1, per: [key, user] } }',
    'ostiary.yaml:1:46: limits.a.per: must not contain "user": only calls made with tokens have one, and there are no `issuers`',
  ],
  [
    'budgets: { a: { unit: tokens, amount: 1, period: day, per: [client] } }',
    'ostiary.yaml:1:55: budgets.a.per: must not contain "client": only calls made with tokens have one, and there are no `issuers`',
  ],
  [
    'limits: { a: { unit: concurrency, amount: 1, models: [sandbx] } }',
    'ostiary.yaml:1:55: limits.a.models[0]: there is no model of this name; did you mean "sandbox"?',
  ],
  [
    'limits: { a: { unit: concurrency, amount: 1, models: [] } }',
    'ostiary.yaml:1:46: limits.a.models: must name a model, or be left out',
  ],
  [
    'limits: { a: { unit: concurrency, amount: 1, operations: [openai.chats] } }',
    'ostiary.yaml:1:59: limits.a.operations[0]: there is no operation of this name; did you mean "openai.chat"?',
  ],
  [
    'limits: { a: { unit: tokens, amount: 1, windowSeconds: 1, operations: [openai.models] } }',
    'ostiary.yaml:1:59: limits.a.operations: can never apply: these operations name no model and use no tokens',
  ],
  [
    'budgets: { a: { unit: tokens, amount: 1.5, period: day } }',
    'ostiary.yaml:1:31: budgets.a.amount: must be a whole number of tokens',
  ],
  [
    'budgets: { a: { unit: usd, amount: 9000001, period: day } }',
    'ostiary.yaml:1:28: budgets.a.amount: must be at most 9000000 dollars',
  ],
  [
    'budgets: { a: { unit: usd, amount: 1.0000001, period: day } }',
    'ostiary.yaml:1:28: budgets.a.amount: must have at most six decimals',
  ],
  [
    'budgets: { a: { unit: usd, amount: .nan, period: day } }',
    'ostiary.yaml:1:28: budgets.a.amount: must be a number from 0.000001 to 1000000000000',
  ],
  [
    'budgets: { a: { unit: usd, amount: 1, period: year } }',
    'ostiary.yaml:1:39: budgets.a.period: must be one of "day", "week", "month", "total"',
  ],
  [
    'budgets: { a: { unit: usd, amount: 1, period: day, models: [gpt-*] } }',
    'ostiary.yaml:1:61: budgets.a.models[0]: there is no model of this name',
  ],
  [
    'models: { a: { provider: sandbox, price: { input: 1 } } }',
    'ostiary.yaml:1:35: models.a.price.output: is missing: a price names both `input` and `output`, and counts whole',
  ],
  [
    'models: { a: { provider: sandbox, price: { output: 1, cachedInput: 1 } } }',
    'ostiary.yaml:1:35: models.a.price.input: is missing: a price names both `input` and `output`, and counts whole',
  ],
  ...['cachedInput', 'cacheWrite', 'request'].map((member): [string, ...string[]] => [
    `models: { a: { provider: sandbox, price: { ${member}: 0 } } }`,
    'ostiary.yaml:1:35: models.a.price.input: is missing: a price names both `input` and `output`, and counts whole',
    'ostiary.yaml:1:35: models.a.price.output: is missing: a price names both `input` and `output`, and counts whole',
  ]),
  // Models
  [
    'models: { a: { provider: sandbx } }',
    'ostiary.yaml:1:16: models.a.provider: there is no provider of this name; did you mean "sandbox"?',
  ],
  ['models: { a: {} }', 'ostiary.yaml:1:11: models.a.provider: is missing: must be the name of a provider'],
  [
    'models: { "gpt-4.*": { provider: sandbox, model: x } }',
    'ostiary.yaml:1:43: models["gpt-4.*"].model: must not be set where the name ends in `*`: each model keeps its own name',
  ],
  [
    'models: { a*b: { provider: sandbox } }',
    'ostiary.yaml:1:11: models["a*b"]: not a name: a model name is 1 to 128 letters, digits and `._:/@-`, a letter or digit first, with at most one `*` at its end',
  ],
  // Issuers
  ['issuers: { a: {} }', ISSUER_MISSING, AUDIENCE_MISSING],
  [
    'issuers: { A: { issuer: "https://id.example.com", audience: [x] } }',
    'ostiary.yaml:1:12: issuers.A: not a name: a name is 1 to 32 lower-case letters, digits and `-`, a letter first',
  ],
  [
    'issuers: { a: { issuer: "http://id.example.com", audience: [x] } }',
    'ostiary.yaml:1:17: issuers.a.issuer: must begin with https://; http:// is for loopback hosts only',
  ],
  [
    issuer('audience: [x], preset: keyclok'),
    'ostiary.yaml:1:66: issuers.a.preset: must be one of "generic", "auth0", "okta", "cognito", "entra", "google", "keycloak", "github-actions", "kubernetes"; did you mean "keycloak"?',
  ],
  [issuer('project: proj_x'), AUDIENCE_MISSING],
  [issuer('audience: []'), 'ostiary.yaml:1:51: issuers.a.audience: must name an audience'],
  [
    issuer('audience: [x], jwksFile: k.json, jwksUrl: "https://id.example.com/k"'),
    'ostiary.yaml:1:66: issuers.a.jwksFile: must not be set beside jwksUrl: keys are taken from one place',
  ],
  [
    issuer('audience: [x], jwks: { refreshSeconds: 0 }'),
    'ostiary.yaml:1:74: issuers.a.jwks.refreshSeconds: must be an integer from 1 to 86400',
  ],
  [
    issuer('audience: [x], clientIds: []'),
    'ostiary.yaml:1:66: issuers.a.clientIds: must name a client, or be left out',
  ],
  [
    issuer('audience: [x], algorithms: [RS256, HS256, none]'),
    'ostiary.yaml:1:86: issuers.a.algorithms[1]: must be one of "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"; did you mean "RS256"?',
    'ostiary.yaml:1:93: issuers.a.algorithms[2]: must be one of "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"',
  ],
  [
    issuer('audience: [x], algorithms: []'),
    'ostiary.yaml:1:66: issuers.a.algorithms: must name an algorithm, or be left out',
  ],
  [issuer('audience: [x], types: []'), 'ostiary.yaml:1:66: issuers.a.types: must name a type, or be left out'],
  [
    issuer('audience: [x], types: ["*", dpop+jwt, JWT, application/jwt]'),
    'ostiary.yaml:1:74: issuers.a.types[0]: must be a media type without `application/`, such as `at+jwt`, or `untyped`',
    'ostiary.yaml:1:79: issuers.a.types[1]: is a type of other tokens than access tokens',
    'ostiary.yaml:1:94: issuers.a.types[3]: is named already: types are compared without case',
  ],
  [
    issuer('audience: [x], types: [ostiary-identity+jwt]'),
    'ostiary.yaml:1:74: issuers.a.types[0]: is a type of other tokens than access tokens',
  ],
  [
    issuer('audience: [x], clockSkewSeconds: 61'),
    'ostiary.yaml:1:66: issuers.a.clockSkewSeconds: must be an integer from 0 to 60',
  ],
  [
    'issuers: { a: { issuer: "https://ai.example.com/", audience: [x] } }\nidentity: { issuer: "https://AI.example.com" }',
    'ostiary.yaml:1:17: issuers.a.issuer: is the gateway itself, whose tokens are for services and give no access here',
  ],
  [
    'issuers: { a: { issuer: "https://ai.example.com", audience: [x] } }\nlisteners: { public: { url: "https://ai.example.com" } }',
    'ostiary.yaml:1:17: issuers.a.issuer: is the gateway itself, whose tokens are for services and give no access here',
  ],
  [
    'issuers: { a: { issuer: "http://localhost:8400", audience: [x] } }',
    'ostiary.yaml:1:17: issuers.a.issuer: is the gateway itself, whose tokens are for services and give no access here',
  ],
  [
    'identity: { issuer: "https://ai.example.com/path", rotationDays: 1, tokenLifetimeSeconds: 61 }',
    'ostiary.yaml:1:13: identity.issuer: must not have a path',
    'ostiary.yaml:1:52: identity.rotationDays: must be an integer from 2 to 365',
    'ostiary.yaml:1:69: identity.tokenLifetimeSeconds: must be an integer from 5 to 60',
  ],
  [
    'issuers: { a: { issuer: "https://id.example.com", audience: [x] }, b: { issuer: "https://id.example.com", audience: [y] } }',
    'ostiary.yaml:1:73: issuers.b.issuer: is that of issuers.a already: of two nobody could say whose a token is',
  ],
  [
    issuer('preset: cognito'),
    'ostiary.yaml:1:12: issuers.a.clientIds: is missing: access tokens of Cognito name no audience, so that every client’s would be taken',
  ],
  [
    issuer('preset: cognito, clientIds: [x], algorithms: [ES256]'),
    'ostiary.yaml:1:97: issuers.a.algorithms[0]: can never apply: `cognito` signs with RS256 only',
  ],
  [
    entra(`issuer: "https://login.microsoftonline.com/${TENANT}/v2.0"`),
    'ostiary.yaml:1:12: issuers.a.tenant: is missing: the id of the one tenant whose tokens are taken',
  ],
  [
    entra('issuer: "https://login.microsoftonline.com/common/v2.0", tenant: common'),
    `ostiary.yaml:1:104: issuers.a.tenant: must be the id of a tenant, 8-4-4-4-12 digits 0-9a-f; not \`common\` or \`organizations\`, which are anybody’s`,
    'ostiary.yaml:1:104: issuers.a.tenant: is missing: the id of the one tenant whose tokens are taken',
  ],
  [
    entra(`issuer: "https://login.microsoftonline.com/common/v2.0", tenant: ${TENANT}`),
    `ostiary.yaml:1:47: issuers.a.issuer: must end in /${TENANT}/v2.0, or, for tokens of version 1.0, in /${TENANT}/: the tenant’s own issuer`,
  ],
  [
    issuer(`audience: [x], tenant: ${TENANT}`),
    'ostiary.yaml:1:66: issuers.a.tenant: must not be set: only `entra` has tenants',
  ],
  [
    'issuers: { a: { preset: okta, issuer: "https://company.okta.com", audience: [x] } }',
    'ostiary.yaml:1:31: issuers.a.issuer: must be that of a custom authorization server, which ends in /oauth2/ and its id: tokens of the org server are for Okta itself',
  ],
  [
    'issuers: { a: { issuer: "https://accounts.google.com", audience: [x] } }',
    'ostiary.yaml:1:12: issuers.a.preset: must be `google`: this is its issuer, which signs for everybody',
  ],
  [
    'issuers: { a: { preset: google, issuer: "https://accounts.google.com", audience: [x] } }',
    'ostiary.yaml:1:12: issuers.a.requiredClaims: must say whose tokens are taken, by one of `hd`, `sub`: those of anybody at Google have this issuer, and any audience that they ask for',
  ],
  [
    'issuers: { a: { preset: google, issuer: "https://accounts.google.com", audience: [x], requiredClaims: { azp: x } } }',
    'ostiary.yaml:1:87: issuers.a.requiredClaims: must say whose tokens are taken, by one of `hd`, `sub`: those of anybody at Google have this issuer, and any audience that they ask for',
  ],
  ...['grants: []', 'grants: [{ scopes: [chat:create] }, { when: { repository: o/r }, scopes: [chat:create] }]'].map(
    (grants): [string, ...string[]] => [
      `issuers: { a: { preset: github-actions, issuer: "https://token.actions.githubusercontent.com", audience: [x], ${grants} } }`,
      'ostiary.yaml:1:12: issuers.a.requiredClaims: must say whose tokens are taken, by one of `repository_owner_id`, `repository_owner`, `repository_id`, `repository`, `enterprise_id`, `enterprise`, `sub`: those of every repository at GitHub have this issuer, and any audience that they ask for',
    ],
  ),
  [
    issuer('audience: [x], preset: kubernetes, clientIds: [x]'),
    'ostiary.yaml:1:86: issuers.a.clientIds: can never apply: tokens of this provider name no client',
  ],
  [
    issuer('audience: [x], claims: { subject: email }'),
    'ostiary.yaml:1:76: issuers.a.claims.subject: must not be a name that can change hands; `sub` stays',
  ],
  [
    issuer('audience: [x], claims: { subject: "/a~2" }, requiredClaims: { "/": x }'),
    'ostiary.yaml:1:76: issuers.a.claims.subject: is no JSON Pointer: names of members, each after a `/`; in a name `~0` is `~` and `~1` is `/`',
    'ostiary.yaml:1:113: issuers.a.requiredClaims["/"]: is no JSON Pointer: names of members, each after a `/`; in a name `~0` is `~` and `~1` is `/`',
  ],
  [
    issuer('audience: [x], grants: [{ when: { email: me@example.com }, roles: [owner] }]'),
    'ostiary.yaml:1:85: issuers.a.grants[0].when.email: counts only with `email_verified: "true"` beside it: anybody can say an address',
  ],
  [
    issuer('audience: [x], grants: [{ scopes: [chat:creat], roles: [Owner], models: [gpt-9] }, { when: { x: y } }]'),
    'ostiary.yaml:1:86: issuers.a.grants[0].scopes[0]: there is no scope of this name; did you mean "chat:create"?',
    'ostiary.yaml:1:107: issuers.a.grants[0].roles[0]: must be 1 to 64 lower-case letters, digits and hyphens, a letter first',
    'ostiary.yaml:1:124: issuers.a.grants[0].models[0]: there is no model of this name',
    'ostiary.yaml:1:134: issuers.a.grants[1]: gives nothing: it names no scope, no role and no model',
  ],
  [
    issuer('audience: [x], projects: [{ project: proj_a }, { when: { x: y }, project: proj_b }]'),
    'ostiary.yaml:1:98: issuers.a.projects[1]: can never apply: projects[0], which has no `when`, fits every token',
  ],
  [
    issuer('audience: [x], projects: [{ when: { x: y } }]'),
    'ostiary.yaml:1:77: issuers.a.projects[0].project: is missing: must be the id of a project, `proj_…`, as `ostiary projects list` prints it',
  ],
  [
    issuer('audience: [x], project: research'),
    'ostiary.yaml:1:66: issuers.a.project: must be the id of a project, `proj_…`, as `ostiary projects list` prints it',
  ],
  [
    issuer('audience: [x], grants: [{ when: { mfa: true }, scopes: [chat:create] }]'),
    'ostiary.yaml:1:85: issuers.a.grants[0].when.mfa: must be text of 1 to 512 characters; true, false and numbers in quotes',
  ],
  [
    issuer(
      'audience: [1, x], grants: [{ scopes: [""], models: ["a b", sandbox] }], authentication: { acrValues: [1] }',
    ),
    'ostiary.yaml:1:62: issuers.a.audience[0]: must be text of 1 to 512 characters',
    'ostiary.yaml:1:89: issuers.a.grants[0].scopes[0]: must be a scope, such as `chat:create`',
    'ostiary.yaml:1:103: issuers.a.grants[0].models[0]: must be a name or pattern of models: 1 to 256 characters without spaces',
    'ostiary.yaml:1:153: issuers.a.authentication.acrValues[0]: must be text of 1 to 256 printable ASCII characters without spaces, `"` and `\\`; numbers in quotes',
  ],
  [
    issuer('audience: [x], senderConstraint: certificate'),
    'ostiary.yaml:1:66: issuers.a.senderConstraint: must not be `certificate` yet: the gateway ends no TLS, so that no certificate can be shown',
  ],
  // Secrets
  [provider('credential: sk-inline-secret'), `ostiary.yaml:1:35: providers.a.credential: ${REFERENCE}`],
  [provider('credential: 123456'), `ostiary.yaml:1:35: providers.a.credential: ${REFERENCE}`],
  [provider('credential: "env:"'), `ostiary.yaml:1:35: providers.a.credential: ${REFERENCE}`],
  [provider('credential: "env:A B"'), `ostiary.yaml:1:35: providers.a.credential: ${REFERENCE}`],
  [provider('credential: "vault:x"'), `ostiary.yaml:1:35: providers.a.credential: ${REFERENCE}`],
  [provider('credential: env:NONE'), 'ostiary.yaml:1:35: providers.a.credential: the variable NONE is not set'],
  [provider('credential: env:EMPTY'), 'ostiary.yaml:1:35: providers.a.credential: env:EMPTY is empty'],
  [
    provider('credential: env:BROKEN'),
    'ostiary.yaml:1:35: providers.a.credential: env:BROKEN contains a space, a line break or a character that is not ASCII',
  ],
  [provider('credential: file:none'), 'ostiary.yaml:1:35: providers.a.credential: file:none cannot be read (ENOENT)'],
  [provider('credential: file:.'), 'ostiary.yaml:1:35: providers.a.credential: file:. is not a regular file'],
  // YAML
  ['workers: 1\nworkers: 2', 'ostiary.yaml:2:1: the member is written twice'],
  ['workers: 1\n---\nworkers: 2', 'ostiary.yaml:2:1: only one YAML document is allowed'],
  ['? [a]\n: 1', 'ostiary.yaml:1:3: names of members must be plain text'],
  ['1: 2', 'ostiary.yaml:1:1: [1]: unknown member'],
  ['a: *none', 'ostiary.yaml:1:4: there is no anchor "none" before this alias'],
  ['workers: !!js/function "x"', 'ostiary.yaml:1:10: not valid YAML: Unresolved tag'],
  ['a: "sk-secret', 'ostiary.yaml:1:14: not valid YAML: Missing closing'],
]

describe('refusals', () => {
  for (const [yaml, ...lines] of refusals) {
    it(`of ${JSON.stringify(yaml)}`, () => {
      const secrets = { KEY: 'sk-known-secret', EMPTY: '', BROKEN: 'sk-secret\nx' }
      const found = refuse(yaml, secrets)
      assert.deepEqual(found, lines)
      assert.doesNotMatch(found.join(), /secret\b(?!,| to| is|s|:NAME)|123456|me:pw/)
    })
  }

  it('name everything that is wrong, in the order of the file', () => {
    const lines = refuse('workers: 0\nlog: { level: x }\nkeys: { prefix: "" }\nmodels: { a: { provider: b } }', {
      OSTIARY_X: '1',
    })
    const places = ['ostiary.yaml:1:1', 'ostiary.yaml:2:8', 'ostiary.yaml:3:9', 'ostiary.yaml:4:16', 'OSTIARY_X']
    assert.deepEqual(
      lines.map(line => line.split(': ')[0]),
      places,
    )
  })

  it('show at most fifty', () => {
    const lines = refuse(Array.from({ length: 60 }, (_, i) => `m${i}: 1`).join('\n'))
    assert.equal(lines.length, 51)
    assert.equal(lines.at(-1), 'and 10 more')
  })

  it('of a file that is too large, too deep, not UTF-8 or a bomb', () => {
    assert.deepEqual(refuse(`#${'x'.repeat(1024 * 1024)}`), ['ostiary.yaml: is larger than 1 MiB'])
    assert.ok(refuse('['.repeat(20_000)).length <= 51)
    const level = (i: number) =>
      `a${i}: &a${i} [${Array(9)
        .fill(i === 0 ? 'x' : `*a${i - 1}`)
        .join(', ')}]`
    const bomb = Array.from({ length: 30 }, (_, i) => level(i)).join('\n')
    assert.deepEqual(refuse(bomb), ['ostiary.yaml: has more than 100 aliases'])
    assert.deepEqual(refuse(Buffer.from([0x61, 0xff])), ['ostiary.yaml: is not UTF-8'])
  })
})
