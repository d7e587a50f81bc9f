import type { CommandEntry } from './command.ts'
import { auditEntry } from './table-audit.ts'
import { identityKeysEntry } from './table-identity-keys.ts'
import { issuersEntry } from './table-issuers.ts'
import { keysEntry } from './table-keys.ts'
import { tableOptions, text } from './table-options.ts'
import { policyEntry } from './table-policy.ts'
import { projectsEntry } from './table-projects.ts'
import { revocationsEntry } from './table-revocations.ts'
import { secretsEntry } from './table-secrets.ts'
import { usageEntry } from './table-usage.ts'

const { config, json } = tableOptions
const passphrase = { 'passphrase-file': text('PATH', 'file that holds the passphrase (standard input)') } as const

/** Every command. Dispatch, help, options and completion are made from this table. */
export const commandTable = {
  start: {
    summary: 'run the gateway',
    options: { config, json: { ...json, description: 'print the banner as one line of JSON' } },
    notes: `Runs until SIGTERM or SIGINT, which let running calls end; SIGHUP applies the configuration anew.

  OSTIARY_CONFIG     configuration file (./ostiary.yaml if it exists)
  OSTIARY_DATA_DIR   data directory (./.ostiary)`,
    example: 'ostiary start --config /etc/ostiary.yaml',
    load: async () => (await import('./start.ts')).startCommand,
  },
  keys: keysEntry,
  projects: projectsEntry,
  tokens: {
    summary: 'create, list, revoke and reset operator tokens',
    example: 'ostiary tokens create --name ada --scopes all',
    commands: {
      create: {
        summary: 'make an operator token and print it, this once',
        options: {
          name: { type: 'string', value: 'NAME', required: true, description: 'who or what uses it' },
          scopes: {
            type: 'string',
            value: 'SCOPE,…|all',
            required: true,
            description: 'what it may do, such as keys:read,keys:write',
          },
          projects: { type: 'string', value: 'ID,…', description: 'the only projects that it reaches (all)' },
          expires: { type: 'string', value: '30d|12h|never', description: 'when it ends (90 days)' },
          json,
        },
        notes: `The first one that has the scope tokens:write ends the bootstrap token. Keep it where only you can read it:

  OSTIARY_TOKEN        the token that every command uses
  OSTIARY_TOKEN_FILE   or a file, yours alone (0600), that holds it`,
        example: 'ostiary tokens create --name ci --scopes keys:read,keys:write --expires 30d',
      },
      list: { summary: 'list operator tokens, newest first', options: { json }, example: 'ostiary tokens list' },
      show: {
        summary: 'show an operator token',
        operands: 'ID',
        options: { json },
        example: 'ostiary tokens show tok_01kd5e7m3v9qwhc4t2x8r6b0zn',
      },
      revoke: {
        summary: 'end an operator token, now and for good',
        operands: 'ID',
        options: { json },
        example: 'ostiary tokens revoke tok_01kd5e7m3v9qwhc4t2x8r6b0zn',
      },
      reset: {
        summary: 'end all operator tokens and write a new bootstrap token; the gateway must be stopped',
        options: { config, json },
        example: 'ostiary tokens reset',
      },
    },
    load: async () => (await import('./tokens.ts')).tokensCommand,
  },
  revocations: revocationsEntry,
  config: {
    summary: 'check, show and reload the configuration, and seal values for it',
    notes: 'The file is FILE, else the one that OSTIARY_CONFIG names, else ./ostiary.yaml if it exists.',
    example: 'ostiary config check --config /etc/ostiary.yaml',
    commands: {
      check: {
        summary: 'name everything that is wrong, each with its line',
        options: { config, json },
        example: 'ostiary config check --config /etc/ostiary.yaml',
      },
      show: {
        summary: 'print the configuration in effect; secrets as their references',
        options: { config, json },
        example: 'ostiary config show',
      },
      schema: {
        summary: 'print the JSON Schema of ostiary.yaml',
        options: { config, json },
        example: 'ostiary config schema > ostiary.schema.json',
      },
      reload: {
        summary: 'have the running gateway apply its file as it is now, all of it or nothing',
        options: { json },
        example: 'ostiary config reload',
      },
      encrypt: {
        summary: 'seal a value from standard input, and print it as text for the configuration',
        notes:
          'It needs no running gateway. What it prints opens only under the key-encryption key of this deployment.',
        options: { json },
        example: 'ostiary config encrypt < credential.txt',
      },
    },
    load: async () => (await import('./config.ts')).configCommand,
  },
  secrets: secretsEntry,
  issuers: issuersEntry,
  'identity-keys': identityKeysEntry,
  usage: usageEntry,
  audit: auditEntry,
  policy: policyEntry,
  backup: {
    summary: 'write the database and every key to one sealed file',
    operands: 'FILE',
    options: {
      ...passphrase,
      'keys-only': {
        type: 'boolean',
        description: 'leave the database out: with PostgreSQL, which has pg_dump',
      },
    },
    notes: `The file must be new; the gateway may be running. The configuration is not in it, nor a key-encryption key that
comes from a variable, nor the bootstrap token.`,
    example: 'ostiary backup ostiary-backup.bin < passphrase.txt',
    load: async () => (await import('./backup.ts')).backupCommand,
  },
  restore: {
    summary: 'bring a backup into the data directory, all of it or nothing',
    operands: 'FILE',
    options: passphrase,
    notes: 'The data directory must be empty. Nothing is restored if a byte of the backup does not open.',
    example: 'ostiary restore ostiary-backup.bin < passphrase.txt',
    load: async () => (await import('./restore.ts')).restoreCommand,
  },
  migrate: {
    summary: 'bring the database to this version’s schema, all steps or none',
    options: { config, json },
    notes: `Needs no running gateway, and may run beside one: a lock lets one program migrate at a time. A start does the same.`,
    example: 'ostiary migrate --config /etc/ostiary.yaml',
    load: async () => (await import('./migrate.ts')).migrateCommand,
  },
  completion: {
    summary: 'print what makes a shell complete these commands',
    operands: 'bash|zsh|fish',
    notes: `  bash   eval "$(ostiary completion bash)"                                       in ~/.bashrc
  zsh    eval "$(ostiary completion zsh)"                        after compinit, in ~/.zshrc
  fish   ostiary completion fish > ~/.config/fish/completions/ostiary.fish`,
    example: 'ostiary completion bash',
    load: async () => (await import('./completion.ts')).completionCommand,
  },
} as const satisfies Readonly<Record<string, CommandEntry>>
