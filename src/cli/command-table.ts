import type { CommandEntry } from './command.ts'

const json = { type: 'boolean', description: 'print JSON and nothing else' } as const
const config = { type: 'string', value: 'FILE', description: 'configuration file' } as const

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
  keys: {
    summary: 'create, list and revoke API keys',
    example: 'ostiary keys create --name checkout --expires 30d --json',
    commands: {
      create: {
        summary: 'mint a key and print it, this once',
        options: {
          name: { type: 'string', value: 'NAME', required: true, description: 'who or what uses it' },
          env: { type: 'string', value: 'live|test', description: 'which providers it reaches (live)' },
          expires: { type: 'string', value: '30d|12h|never', description: 'when it ends (90 days)' },
          json,
        },
        example: 'ostiary keys create --name checkout --expires 30d --json',
      },
      list: { summary: 'list keys, newest first', options: { json }, example: 'ostiary keys list' },
      revoke: {
        summary: 'end a key, now and for good',
        operands: 'ID',
        options: { json },
        example: 'ostiary keys revoke key_01kd5e7m3v9qwhc4t2x8r6b0zn',
      },
    },
    load: async () => (await import('./keys.ts')).keysCommand,
  },
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
  config: {
    summary: 'check, show and reload the configuration',
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
    },
    load: async () => (await import('./config.ts')).configCommand,
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
