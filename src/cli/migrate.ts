import { migrateOffline } from '#offline.ts'
import { parse } from './arguments.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'

/** `ostiary migrate`. */
export async function migrateCommand(args: string[], io: Io): Promise<number> {
  const { config, json } = parse(args, commandTable.migrate.options).values
  const applied = await migrateOffline({ env: io.env, configFile: config })
  if (json) io.stdout.write(`${JSON.stringify({ applied }, null, 2)}\n`)
  else io.stdout.write(applied.length === 0 ? 'The database is up to date.\n' : `${applied.join('\n')}\n`)
  return 0
}
