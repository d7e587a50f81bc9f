import type { CommandEntry } from './command.ts'
import { tableOptions, text, texts } from './table-options.ts'

const { config, json } = tableOptions
const policies = text('FOLDER', 'policies of this folder instead of the configured ones')

const described = {
  project: text('ID', 'their project (proj_default)'),
  environment: text('live|test', 'which models the credential reaches (live)'),
  role: texts('NAME', 'a role they have'),
  scopes: texts('SCOPE,…', 'the only scopes of the credential (no such ceiling)'),
  models: texts('NAME,…', 'the only models of the credential, * for any characters (no such ceiling)'),
  operations: texts('ACTION,…', 'the only operations of the credential (no such ceiling)'),
  cidr: texts('CIDR,…', 'the only addresses of the credential (no such ceiling)'),
  tag: texts('NAME=VALUE', 'metadata of the key'),
  id: text('ID', 'of a key its id, else the subject of the token'),
  issuer: text('NAME', 'issuer of the token (the only one)'),
  client: text('ID', 'client of the token'),
  acr: text('VALUE', 'how the person logged in'),
  'authenticated-ago': text('5m|12h', 'how long ago'),
  binding: text('dpop|certificate', 'what the sender proved'),
} as const

/** `ostiary policy` in the table of commands. */
export const policyEntry = {
  summary: 'check, list, test, explain and replay policies',
  notes: `Only 'explain --key' asks the running gateway. 'explain --request' and 'replay' read the
database by themselves. All others read the configuration alone, and can be run anywhere.`,
  example: 'ostiary policy test --coverage',
  commands: {
    check: {
      summary: 'name everything that is wrong with the policies',
      options: { config, policies, json },
      example: 'ostiary policy check --policies policies',
    },
    list: {
      summary: 'list the policies, the shipped ones too',
      options: { config, policies, json },
      example: 'ostiary policy list',
    },
    schema: {
      summary: 'print the schema in Cedar’s language that policies are checked against, for editors',
      options: { config },
      example: 'ostiary policy schema > ostiary.cedarschema',
    },
    test: {
      summary: 'decide the cases of YAML files, and print each that is decided otherwise than expected',
      operands: '[FILE|FOLDER]…',
      options: {
        config,
        policies,
        junit: text('FILE', 'write the report there as JUnit XML'),
        coverage: { type: 'boolean', description: 'list the policies that determined no case' },
        'require-coverage': { type: 'boolean', description: 'exit with 1 if there are any' },
        json,
      },
      notes: `Without a file, those in the folder 'tests' below the policies. Exits with 1 if a case is decided otherwise,
with 2 if a case, a policy or the configuration is not valid.`,
      example: 'ostiary policy test --junit policy-tests.xml --coverage',
    },
    explain: {
      summary: 'say why a caller may do something, or may not',
      options: {
        request: text('ID', 'a call on record, by its x-request-id: what came of it, and what would come of it now'),
        key: text('ID', 'the caller is this key of the running gateway, under the policies that it has'),
        'token-from-stdin': { type: 'boolean', description: 'the caller is who this token is about, not verified' },
        principal: text('key|user|service', 'the caller is one of this kind, as the next options say'),
        ...described,
        action: text('ACTION', 'what they ask to do, such as openai.chat; needed but for --request'),
        model: text('NAME', 'on which model; none for a service'),
        ip: text('ADDRESS', 'from where (127.0.0.1)'),
        time: text('TIME', 'when, such as 2026-01-31T23:30:00Z (now)'),
        feature: texts('NAME', 'what the body asks for, such as tools'),
        method: text('METHOD', 'of a call to a service'),
        path: text('PATH', 'of a call to a service, below it'),
        config,
        policies,
        json,
      },
      notes: `Exits with 0 also if they may not. 'allowed' of --json says which. --request reads the database by itself, beside a
running gateway or without one.`,
      example: 'ostiary policy explain --principal key --scopes chat:create --action openai.chat --model gpt-5',
    },
    replay: {
      summary: 'decide recorded calls anew under changed policies, and list what would change',
      options: {
        from: text('TIME', 'only calls from then on, such as 2026-01-31 or 2026-01-31T12:00:00Z'),
        to: text('TIME', 'only calls before then'),
        project: text('ID', 'only calls of this project'),
        key: text('ID', 'only calls of this key or caller'),
        policies: text('FOLDER', 'decide under policies of this folder'),
        config: text('FILE', 'decide under this configuration (the one of the database)'),
        'fail-on-change': { type: 'boolean', description: 'exit with 1 if anything would change' },
        json,
      },
      notes: `Reads the database by itself, beside a running gateway or without one. What was not recorded is not guessed: calls
that cannot be decided again are counted, with what is missing.`,
      example: 'ostiary policy replay --policies new-policies --from 2026-01-01',
    },
  },
  load: async () => (await import('./policy.ts')).policyCommand,
} as const satisfies CommandEntry
