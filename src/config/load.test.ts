import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { loadConfig } from './load.ts'
import { load, refuse } from './load-for-test.ts'

const defaults = {
  listeners: {
    public: {
      host: 'localhost',
      port: 8400,
      url: 'http://localhost:8400',
      trustedProxies: [],
      forwarded: 'none',
      proxyProtocol: 'off',
    },
    admin: { host: 'localhost', port: 8401, url: 'http://localhost:8401' },
  },
  workers: 'auto',
  store: { kind: 'sqlite' },
  keys: {
    prefix: 'sk',
    defaultLifetimeDays: 90,
    maxLifetimeDays: 90,
    cacheSize: 10_000,
    leakReports: { action: 'revoke', publicKeys: {}, allowPrivateNetwork: false, maxReportsPerMinute: 60 },
  },
  audit: {
    mode: 'batched',
    checkpointSeconds: 60,
    retentionDays: null,
    anchors: { allowPrivateNetwork: false },
  },
  admin: { tokens: { maxLifetimeDays: 90 } },
  requests: {
    maxBodyBytes: 33_554_432,
    maxJsonDepth: 64,
    timeoutMs: 60_000,
    headTimeoutMs: 10_000,
    onHangUp: 'stop',
    drainMs: 10_000,
    maxConnections: 10_000,
    maxConnectionsPerAddress: 1000,
    maxNewConnectionsPerAddress: 500,
    uncappedAddresses: ['127.0.0.1', '::1'],
  },
  access: { deny: [], operations: {} },
  dpop: { requireNonce: false, maxAgeSeconds: 60, clockSkewSeconds: 5, rememberedProofs: 1_048_576 },
  overload: { maxDelayMs: 1000, maxFailuresPerSecond: 100 },
  issuers: {},
  providers: {
    sandbox: { format: 'sandbox', tags: ['test'], latencyMs: 0, chunks: 8, chunkDelayMs: 20, failure: 'none' },
  },
  models: { sandbox: { provider: 'sandbox', price: {} } },
  services: {},
  limits: {},
  budgets: {},
  counters: { slots: 65_536 },
  usage: { retentionDays: 400 },
  sandbox: true,
  drainTimeoutMs: 30_000,
  secrets: { warnAgeDays: 180 },
  log: { level: 'info' },
  passthrough: [],
  decide: { proxies: {} },
  identity: { tokenLifetimeSeconds: 60, rotationDays: 30 },
  policies: { roles: [], modelGroups: {} },
  policySources: [],
}

const remoteDefaults = {
  tags: [],
  connectTimeoutMs: 10_000,
  timeoutMs: 600_000,
  idleTimeoutMs: 300_000,
  connections: 256,
  allowPrivateNetwork: false,
}

describe('loadConfig', () => {
  it('has defaults for everything', () => {
    for (const yaml of [null, '', '# nothing\n', '{}']) assert.deepEqual(load(yaml).config, defaults)
  })

  it('says which file it read', () => {
    assert.equal(load(null).file, null)
    assert.match(load('').file ?? '', /ostiary\.yaml$/)
  })

  it('reads the file that is named, and refuses one that is missing', () => {
    mkdirSync('etc', { recursive: true })
    writeFileSync('etc/gate.yaml', 'workers: 3\n')
    assert.equal(loadConfig({ env: {}, file: 'etc/gate.yaml' }).config.workers, 3)
    assert.equal(loadConfig({ env: { OSTIARY_CONFIG: 'etc/gate.yaml' } }).config.workers, 3)
    assert.deepEqual(refuse(null, { OSTIARY_CONFIG: 'none.yaml' }), ['none.yaml: cannot be read (ENOENT)'])
    assert.deepEqual(refuse(null, { OSTIARY_CONFIG: 'etc' }), ['etc: cannot be read (EISDIR)'])
  })

  it('fills in the defaults of each kind of provider', () => {
    const { providers } = load('providers: { a: {format: openai}, b: {format: anthropic}, c: {format: gemini} }').config
    assert.deepEqual(providers.a, {
      format: 'openai',
      baseUrl: 'https://api.openai.com',
      streamUsage: 'ask',
      maxTokensMember: 'max_completion_tokens',
      ...remoteDefaults,
    })
    assert.deepEqual(providers.b, { format: 'anthropic', baseUrl: 'https://api.anthropic.com', ...remoteDefaults })
    const gemini = 'https://generativelanguage.googleapis.com'
    assert.deepEqual(providers.c, { format: 'gemini', baseUrl: gemini, ...remoteDefaults })
  })

  it('derives what follows from other members', () => {
    const { listeners, providers } = load(`
listeners: { public: { host: '::1', port: 9000 }, admin: { url: 'https://admin.example.com/' } }
providers: { local: { format: openai, baseUrl: 'http://127.1:11434/v1/' } }`).config
    assert.equal(listeners.public.url, 'http://[::1]:9000')
    assert.equal(listeners.admin.url, 'https://admin.example.com')
    const local = providers.local
    assert.ok(local?.format === 'openai')
    assert.equal(local.baseUrl, 'http://127.0.0.1:11434/v1')
    assert.equal(local.allowPrivateNetwork, true)
  })

  it('asks OpenAI itself for a maximum of tokens by its newer name, others by the older', () => {
    for (const [baseUrl, name] of [
      ['https://api.openai.com', 'max_completion_tokens'],
      ['https://eu.api.openai.com/', 'max_completion_tokens'],
      ['https://mine.openai.azure.com/openai', 'max_completion_tokens'],
      ['https://notopenai.com', 'max_tokens'],
      ['https://api.openai.com.example.com', 'max_tokens'],
      ['http://localhost:11434', 'max_tokens'],
    ] as const) {
      const { a } = load(`providers: { a: { format: openai, baseUrl: '${baseUrl}' } }`).config.providers
      assert.ok(a?.format === 'openai')
      assert.equal(a.maxTokensMember, name, baseUrl)
    }
    const { a } = load('providers: { a: { format: openai, maxTokensMember: max_tokens } }').config.providers
    assert.ok(a?.format === 'openai')
    assert.equal(a.maxTokensMember, 'max_tokens')
  })

  it('is deeply frozen', () => {
    const isFrozen = (value: unknown): boolean =>
      typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen))
    assert.ok(isFrozen(load('', { OPENAI_API_KEY: 'k' }).config))
  })

  it('survives a structured clone', () => {
    const { config } = load('', { OPENAI_API_KEY: 'k' })
    assert.deepEqual(structuredClone(config), config)
  })
})

describe('what is built in', () => {
  it('adds a provider for each usual variable, open to every model', () => {
    const { config, secrets } = load('', { ANTHROPIC_API_KEY: 'sk-1', GEMINI_API_KEY: 'sk-2', OPENAI_API_KEY: '' })
    assert.deepEqual(Object.keys(config.providers), ['sandbox', 'anthropic', 'gemini'])
    assert.deepEqual(config.passthrough, [
      { format: 'anthropic', provider: 'anthropic' },
      { format: 'gemini', provider: 'gemini' },
    ])
    assert.equal(secrets.get('env:ANTHROPIC_API_KEY').reveal(), 'sk-1')
  })

  it('leaves a usual variable to the file that mentions it', () => {
    const env = { OPENAI_API_KEY: 'sk-1' }
    const named = load('providers: { openai: { format: openai } }', env).config
    assert.deepEqual(named.passthrough, [])
    // A list of models is the whole list.
    const listed = load('models: { fast: { provider: openai, model: gpt-5-mini } }', { OPENAI_API_KEY: 'sk-1' }).config
    assert.deepEqual([listed.passthrough, Object.keys(listed.providers)], [[], ['sandbox', 'openai']])
    const used = load('providers: { eu: { format: openai, credential: env:OPENAI_API_KEY } }', env).config
    assert.deepEqual(Object.keys(used.providers), ['eu', 'sandbox'])
    assert.deepEqual(used.passthrough, [])
  })

  it('keeps what the file says of the sandbox', () => {
    const { config } = load('providers: { sandbox: { format: sandbox, chunks: 3 } }')
    assert.equal(config.providers.sandbox?.format === 'sandbox' && config.providers.sandbox.chunks, 3)
    assert.deepEqual(config.models, { sandbox: { provider: 'sandbox', price: {} } })
  })

  it('has no sandbox where it is switched off', () => {
    for (const { config } of [load('sandbox: false'), load('', { OSTIARY_SANDBOX: 'false' })]) {
      assert.deepEqual(config.providers, {})
      assert.deepEqual(config.models, {})
    }
    assert.deepEqual(refuse('sandbox: false', { OSTIARY_PROVIDERS_SANDBOX_CHUNKS: '3' }), [
      'OSTIARY_PROVIDERS_SANDBOX_CHUNKS: no member of the configuration has this variable',
    ])
  })
})

describe('variables', () => {
  it('override members of every type', () => {
    const yaml = `
providers: { my-llm: { format: openai }, other: { format: gemini } }
models: { gpt-4.1: { provider: my-llm } }`
    const { config, secrets } = load(yaml, {
      OSTIARY_LISTENERS_PUBLIC_PORT: '9000',
      OSTIARY_LISTENERS_ADMIN_HOST: '127.0.0.1',
      OSTIARY_WORKERS: '2',
      OSTIARY_STORE_KIND: 'postgres',
      OSTIARY_STORE_URL: 'env:OSTIARY_TEST_DATABASE',
      OSTIARY_TEST_DATABASE: 'postgres://user:pass@localhost/db',
      OSTIARY_STORE_POOL_SIZE: '3',
      OSTIARY_KEYS_PREFIX: 'acme',
      OSTIARY_KEYS_MAX_LIFETIME_DAYS: 'null',
      OSTIARY_REQUESTS_MAX_BODY_BYTES: '4096',
      OSTIARY_PROVIDERS_MY_LLM_TAGS: '[test, eu]',
      OSTIARY_PROVIDERS_MY_LLM_ALLOW_PRIVATE_NETWORK: 'true',
      OSTIARY_PROVIDERS_MY_LLM_BASE_URL: 'https://llm.example.com',
      OSTIARY_PROVIDERS_SANDBOX_FAILURE: 'hang',
      OSTIARY_MODELS_GPT_4_1_MODEL: 'gpt-4.1-mini',
      OSTIARY_LOG_LEVEL: 'debug',
      OSTIARY_DATA_DIR: '/tmp/data',
    })
    assert.equal(config.listeners.public.url, 'http://localhost:9000')
    assert.equal(config.listeners.admin.host, '127.0.0.1')
    assert.equal(config.workers, 2)
    assert.deepEqual(config.store, { kind: 'postgres', url: 'env:OSTIARY_TEST_DATABASE', poolSize: 3 })
    assert.equal(secrets.get('env:OSTIARY_TEST_DATABASE').reveal(), 'postgres://user:pass@localhost/db')
    assert.equal(config.keys.prefix, 'acme')
    assert.equal(config.keys.maxLifetimeDays, null)
    assert.equal(config.requests.maxBodyBytes, 4096)
    const provider = config.providers['my-llm']
    assert.ok(provider?.format === 'openai')
    assert.deepEqual(provider.tags, ['test', 'eu'])
    assert.equal(provider.allowPrivateNetwork, true)
    assert.equal(provider.baseUrl, 'https://llm.example.com')
    assert.equal(config.providers.sandbox?.format === 'sandbox' && config.providers.sandbox.failure, 'hang')
    assert.equal(config.models['gpt-4.1']?.model, 'gpt-4.1-mini')
    assert.equal(config.log.level, 'debug')
  })

  it('change one of two entries that a YAML alias makes one', () => {
    const yaml = 'providers: { a: &x { format: openai }, b: *x }'
    const { providers } = load(yaml, { OSTIARY_PROVIDERS_A_CONNECTIONS: '1' }).config
    assert.ok(providers.a?.format === 'openai' && providers.b?.format === 'openai')
    assert.deepEqual([providers.a.connections, providers.b.connections], [1, 256])
  })

  it('may name a member of a provider that another variable made', () => {
    const env = { OPENAI_API_KEY: 'k', OSTIARY_PROVIDERS_OPENAI_BASE_URL: 'https://eu.api.openai.com' }
    const provider = load('', env).config.providers.openai
    assert.equal(provider?.format === 'openai' && provider.baseUrl, 'https://eu.api.openai.com')
  })

  it('are refused where they mean nothing, two things or no value', () => {
    assert.deepEqual(refuse('', { OSTIARY_LISTENERS_PUBLIC_PROT: '1' }), [
      'OSTIARY_LISTENERS_PUBLIC_PROT: no member of the configuration has this variable; did you mean "OSTIARY_LISTENERS_PUBLIC_PORT"?',
    ])
    assert.deepEqual(refuse('', { OSTIARY_COFNIG: 'x' }), [
      'OSTIARY_COFNIG: no member of the configuration has this variable; did you mean "OSTIARY_CONFIG"?',
    ])
    const models = 'models: { gpt-4.1: { provider: sandbox }, gpt-4-1: { provider: sandbox } }'
    assert.deepEqual(refuse(models, { OSTIARY_MODELS_GPT_4_1_PROVIDER: 'x' }), [
      'OSTIARY_MODELS_GPT_4_1_PROVIDER: is ambiguous: it names models.gpt-4.1.provider and models.gpt-4-1.provider; set them in the file',
    ])
    assert.deepEqual(refuse('', { OSTIARY_WORKERS: '[1' }), ['OSTIARY_WORKERS: workers: is not a YAML value'])
    assert.deepEqual(refuse('', { OSTIARY_WORKERS: '' }), [
      'OSTIARY_WORKERS: workers: must be an integer from 1 to 64 or "auto"',
    ])
    assert.deepEqual(refuse('', { OSTIARY_STORE_POOL_SIZE: '3' }), [
      'OSTIARY_STORE_POOL_SIZE: store.kind: is missing: must be one of "sqlite", "postgres"',
    ])
  })
})
