import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { loadConfig } from '#config/load.ts'
import { Problem } from '#core/problems.ts'
import type { Secret } from '#core/secret.ts'
import { backUp } from '#secrets/backup.ts'
import { findDataDirectory } from '#secrets/data-directory.ts'
import { parse } from './arguments.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { readPassphrase, toPassphrase } from './secret-input.ts'

/** `ostiary backup`. */
export async function backupCommand(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, commandTable.backup.options, true)
  const file = onlyFile(positionals)
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
    file: resolve(file),
    passphrase: await passphraseOf(values, io),
    withDatabase: !keysOnly,
  })
  io.stdout.write(`${file} holds ${names.join(', ')}.\n`)
  return 0
}

type PassphraseValues = { readonly 'passphrase-file'?: string | undefined }

/** Throws `cli.usage` for none and for more. */
export function onlyFile([file, ...more]: readonly string[]): string {
  if (file === undefined || more.length > 0) throw new Problem('cli.usage', { detail: 'Name one file.' })
  return file
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
