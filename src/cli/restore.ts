import { restore } from '#secrets/backup.ts'
import { findDataDirectory } from '#secrets/data-directory.ts'
import { parseFile, passphraseOf, requireFile } from './backup.ts'
import type { Io } from './command.ts'

const HELP = `Usage: ostiary restore FILE [--passphrase-file PATH]

Brings a backup into the data directory, which must be empty: all of it, or nothing if a byte of it does not open. The
passphrase is read from PATH, else from standard input.

Example: ostiary restore ostiary-backup.bin < passphrase.txt
`

/** `ostiary restore`. */
export async function restoreCommand(args: string[], io: Io): Promise<number> {
  const { file, values } = parseFile(args)
  if (values.help) {
    io.stdout.write(HELP)
    return 0
  }
  const directory = findDataDirectory(io.env)
  const names = await restore({ directory, file: requireFile(file), passphrase: await passphraseOf(values, io) })
  io.stdout.write(`${directory} holds ${names.join(', ')}.\n`)
  return 0
}
