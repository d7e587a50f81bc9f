import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Problem } from '#core/problems.ts'
import { type LoadedConfig, loadConfig } from './load.ts'
import type { Environment } from './variables.ts'

const started = process.cwd()
let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostiary-config-'))
  process.chdir(folder)
})
after(() => {
  process.chdir(started)
  rmSync(folder, { recursive: true })
})

function load(yaml: string | null, env: Environment = {}): LoadedConfig {
  rmSync('ostiary.yaml', { force: true })
  if (yaml !== null) writeFileSync('ostiary.yaml', yaml)
  return loadConfig({ env })
}

/** The lines of the refusal. */
function refuse(yaml: string | null, env: Environment = {}): string[] {
  try {
    load(yaml, env)
  } catch (error) {
    assert.ok(error instanceof Problem && error.code === 'config.invalid', String(error))
    return (error.detail ?? '').split('\n')
  }
  return assert.fail('was accepted')
}

const defaults = {
  listeners: {
    public: { host: 'localhost', port: 8400, url: 'http://localhost:8400' },
    admin: { host: 'localhost', port: 8401, url: 'http://localhost:8401' },
  },
  workers: 'auto',
  store: { kind: 'sqlite' },
  keys: { prefix: 'sk', defaultLifetimeDays: 90, maxLifetimeDays: 90, cacheSize: 10_000 },
  requests: {
    maxBodyBytes: 33_554_432,
    maxJsonDepth: 64,
    timeoutMs: 60_000,
    headTimeoutMs: 10_000,
    maxConnections: 10_000,
  },
  providers: {
    sandbox: { format: 'sandbox', tags: ['test'], latencyMs: 0, chunks: 8, chunkDelayMs: 20, failure: 'none' },
  },
  models: { sandbox: { provider: 'sandbox' } },
  sandbox: true,
  drainTimeoutMs: 30_000,
  log: { level: 'info' },
  passthrough: [],
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
    assert.deepEqual(providers.a, { format: 'openai', baseUrl: 'https://api.openai.com', ...remoteDefaults })
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
    const used = load('providers: { eu: { format: openai, credential: env:OPENAI_API_KEY } }', env).config
    assert.deepEqual(Object.keys(used.providers), ['eu', 'sandbox'])
    assert.deepEqual(used.passthrough, [])
  })

  it('keeps what the file says of the sandbox', () => {
    const { config } = load('providers: { sandbox: { format: sandbox, chunks: 3 } }')
    assert.equal(config.providers.sandbox?.format === 'sandbox' && config.providers.sandbox.chunks, 3)
    assert.deepEqual(config.models, { sandbox: { provider: 'sandbox' } })
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

const REFERENCE =
  'must be a reference to a secret, `env:NAME` or `file:PATH`; secrets are not written into the configuration'
const LOOPBACK =
  'must be `localhost`, `::1` or an address in 127.0.0.0/8: plaintext is served on loopback only; put a proxy that ends TLS on the same machine in front'
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
  ['store: { kind: mysql }', 'ostiary.yaml:1:10: store.kind: must be one of "sqlite", "postgres"'],
  ['store: sqlite', 'ostiary.yaml:1:1: store: must be a mapping of members'],
  ['store: { kind: sqlite, url: env:X }', 'ostiary.yaml:1:24: store.url: unknown member'],
  ['store: { kind: postgres }', `ostiary.yaml:1:1: store.url: is missing: ${REFERENCE}`],
  ['store: { kind: postgres, url: env:KEY }', 'ostiary.yaml:1:26: store.url: env:KEY must begin with postgres://'],
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
      assert.doesNotMatch(found.join(), /secret\b(?!,| to| is|s)|123456|me:pw/)
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
    const bomb = Array.from({ length: 30 }, (_, i) => `a${i}: &a${i} [${`*a${i - 1},`.repeat(i && 9)}]`).join('\n')
    assert.deepEqual(refuse(bomb), ['ostiary.yaml: has more than 100 aliases'])
    rmSync('latin.yaml', { force: true })
    writeFileSync('latin.yaml', Buffer.from([0x61, 0xff]))
    assert.deepEqual(refuse(null, { OSTIARY_CONFIG: 'latin.yaml' }), ['latin.yaml: is not UTF-8'])
  })
})

describe('secrets', () => {
  it('come from a file beside the configuration, without its last line break', () => {
    mkdirSync('etc', { recursive: true })
    writeFileSync('etc/key', 'sk-from-file\n', { mode: 0o600 })
    writeFileSync('etc/gate.yaml', provider('credential: file:key'))
    const { config, secrets } = loadConfig({ env: {}, file: 'etc/gate.yaml' })
    assert.equal(config.providers.a?.format === 'openai' && config.providers.a.credential, 'file:key')
    assert.equal(secrets.get('file:key').reveal(), 'sk-from-file')
  })

  it('are refused from a file that every user may read', {
    skip: process.platform === 'win32' && 'has no modes',
  }, () => {
    writeFileSync('open', 'sk-x')
    chmodSync('open', 0o644)
    assert.deepEqual(refuse(provider('credential: file:open')), [
      'ostiary.yaml:1:35: providers.a.credential: file:open may be read by every user of this machine; run chmod o= on it',
    ])
  })
})
