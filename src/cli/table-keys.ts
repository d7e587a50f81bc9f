import type { CommandEntry } from './command.ts'
import { needed, tableOptions, text, texts } from './table-options.ts'

const { json } = tableOptions

/** What a key may do; each list with commas, or the option again. */
const settings = {
  role: texts('ROLE,…|none', 'roles, by which policies let it do more or less, such as developer'),
  models: texts('GLOB,…|all', "models that it may use, by the caller's names, such as 'gpt-*'"),
  scopes: texts('SCOPE,…|all', 'kinds of operations, such as chat:create'),
  operations: texts('ID,…|all', 'routes, such as openai.chat'),
  cidr: texts('CIDR,…|all', 'addresses that it may be used from, such as 10.0.0.0/8'),
  'deny-cidr': texts('CIDR,…|none', 'addresses that it may not be used from, whatever else allows them'),
  limit: texts('LIMIT', 'such as requests=20/1m, tokens=100000/1d, concurrency=5; none'),
  budget: texts('BUDGET', 'such as usd=10/month or tokens=1000000/day; none'),
  'dpop-key': text('THUMBPRINT|none', 'callers must prove that they hold this key (DPoP); none'),
  'dpop-key-file': text('FILE', 'the same, by its public key as JWK or PEM'),
  certificate: text('THUMBPRINT|none', 'callers must present this TLS certificate; none'),
  'certificate-file': text('FILE', 'the same, by the certificate as PEM'),
  expires: text('30d|12h|never', 'when it ends'),
  metadata: texts('NAME=VALUE', 'what you want to keep beside it; none'),
} as const

const ID = 'key_01kd5e7m3v9qwhc4t2x8r6b0zn'
const one = (summary: string, verb: string) =>
  ({ summary, operands: 'ID', options: { json }, example: `ostiary keys ${verb} ${ID}` }) as const

/** `ostiary keys` in the table of commands. */
export const keysEntry = {
  summary: 'create, change and end API keys',
  example: 'ostiary keys create --name checkout --expires 30d --json',
  commands: {
    create: {
      summary: 'mint a key and print it, this once',
      options: {
        name: needed('NAME', 'who or what uses it'),
        project: text('ID|NAME', 'project that it belongs to (default)'),
        env: text('live|test', 'which providers it reaches (live)'),
        ...settings,
        json,
      },
      example: "ostiary keys create --name checkout --models 'gpt-*' --limit requests=20/1m --expires 30d",
    },
    list: {
      summary: 'list keys, newest first',
      options: {
        project: text('ID|NAME', 'only of this project'),
        env: text('live|test', 'only of this environment'),
        status: text('active|disabled|expired|revoked', 'only these'),
        name: text('NAME', 'only of this name'),
        metadata: text('NAME=VALUE', 'only with this'),
        sort: text('COLUMN', 'created_at, name, expires_at or last_used_at; descending as in --sort=-name'),
        json,
      },
      example: 'ostiary keys list --status active --sort last_used_at',
    },
    show: one('show a key and what it may do', 'show'),
    update: {
      summary: 'change what is named of a key, and nothing else',
      operands: 'ID',
      options: { name: text('NAME', 'who or what uses it'), ...settings, json },
      example: `ostiary keys update ${ID} --models gpt-5,'o*' --cidr 10.0.0.0/8`,
    },
    rotate: {
      summary: 'give a key a new secret and print it, this once',
      operands: 'ID',
      options: {
        grace: needed('1h|0', 'how long the secrets before it still work, 30 days at most; 0 = they end at once'),
        json,
      },
      example: `ostiary keys rotate ${ID} --grace 1h`,
    },
    disable: one('refuse a key until it is enabled again', 'disable'),
    enable: one('accept a disabled key again', 'enable'),
    revoke: {
      summary: 'end a key, or many, now and for good',
      operands: '[ID|-]',
      options: {
        project: text('ID|NAME', 'all keys of this project'),
        prefix: text('sk_live_', 'all keys with a working secret that begins so; sk_live_…abcd = that one'),
        json,
      },
      notes: '  -   reads ids from standard input, one a line',
      example: `ostiary keys revoke ${ID}`,
    },
    'report-leak': {
      summary: 'end or flag the keys whose texts stand on standard input, one a line',
      options: {
        flag: { type: 'boolean', description: 'mark the keys, which work on' },
        revoke: { type: 'boolean', description: 'end the keys; without either as the configuration says' },
        json,
      },
      example: 'ostiary keys report-leak < found-in-the-log.txt',
    },
  },
  load: async () => (await import('./keys.ts')).keysCommand,
} as const satisfies CommandEntry
