import { resolve } from 'node:path'
import { restore } from '#secrets/backup.ts'
import { findDataDirectory } from '#secrets/data-directory.ts'
import { parse } from './arguments.ts'
import { onlyFile, passphraseOf } from './backup.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'

/** `ostiary restore`. */
export async function restoreCommand(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, commandTable.restore.options, true)
  const file = resolve(onlyFile(positionals))
  const directory = findDataDirectory(io.env)
  const names = await restore({ directory, file, passphrase: await passphraseOf(values, io) })
  io.stdout.write(`${directory} holds ${names.join(', ')}.\n`)
  return 0
}
