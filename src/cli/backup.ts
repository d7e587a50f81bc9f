import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { loadConfig } from '#config/load.ts'
import { Problem } from '#core/problems.ts'
import type { Secret } from '#core/secret.ts'
import { backUp } from '#secrets/backup.ts'
import { findDataDirectory } from '#secrets/data-directory.ts'
import { parse } from './arguments.ts'
import type { Io } from './command.ts'
import { readPassphrase, toPassphrase } from './secret-input.ts'

const HELP = `Usage: ostiary backup FILE [--passphrase-file PATH] [--keys-only]

Writes the database and every key of the data directory to a new FILE, sealed under a passphrase, which is read from
PATH, else from standard input. The gateway may be running. The configuration is not in it, nor a key-encryption
key that comes from a variable, nor the bootstrap token.

  --keys-only  leaves the database out; with PostgreSQL, which has pg_dump for it

Example: ostiary backup ostiary-backup.bin < passphrase.txt
`

/** `ostiary backup`. */
export async function backupCommand(args: string[], io: Io): Promise<number> {
  const { file, values } = parseFile(args, { 'keys-only': { type: 'boolean' } })
  if (values.help) {
    io.stdout.write(HELP)
    return 0
  }
  const keysOnly = values['keys-only'] === true
  const { config } = loadConfig({ env: io.env, withSecrets: false })
  if (config.store.kind === 'postgres' && !keysOnly) {
    throw new Problem('backup.not_possible', {
      detail:
        'The database is PostgreSQL: back it up with pg_dump, and its keys, without which it is worth nothing, with `ostiary backup FILE --keys-only`.',
    })
  }
  const names = await backUp({
    directory: findDataDirectory(io.env),
    file: requireFile(file),
    passphrase: await passphraseOf(values, io),
    withDatabase: !keysOnly,
  })
  io.stdout.write(`${file} holds ${names.join(', ')}.\n`)
  return 0
}

type PassphraseValues = { readonly 'passphrase-file'?: string | undefined }

/** Names one file and where the passphrase is. */
export function parseFile(args: string[], more: Record<string, { type: 'boolean' }> = {}) {
  const options = { 'passphrase-file': { type: 'string' }, help: { type: 'boolean' }, ...more } as const
  const { values, positionals } = parse(args, options, true)
  if (positionals.length > 1) throw new Problem('cli.usage', { detail: 'Name one file.' })
  return { file: positionals[0], values: values as PassphraseValues & Record<string, boolean | undefined> }
}

export function requireFile(file: string | undefined): string {
  if (file === undefined) throw new Problem('cli.usage', { detail: 'Name one file.' })
  return resolve(file)
}

export async function passphraseOf(values: PassphraseValues, io: Io): Promise<Secret> {
  const path = values['passphrase-file']
  if (path === undefined) return readPassphrase(io)
  try {
    return toPassphrase(readFileSync(path, 'utf8'))
  } catch (cause) {
    if (cause instanceof Problem) throw cause
    throw new Problem('cli.usage', { detail: `${path} cannot be read.`, cause })
  }
}
