import { keyIdOf } from '#core/checkpoint.ts'
import { readAuditKey } from '#secrets/audit-key.ts'
import { findDataDirectory } from '#secrets/data-directory.ts'
import { parse } from './arguments.ts'
import type { Command, Io } from './command.ts'
import type { commandTable } from './command-table.ts'

const commands: Readonly<Record<keyof typeof commandTable.audit.commands, () => Promise<Command>>> = {
  verify: async () => (await import('./audit-verify.ts')).auditVerify,
  tail: async () => (await import('./audit-tail.ts')).auditTail,
  export: async () => (await import('./audit-export.ts')).auditExport,
  key: async () => key,
}

/** `ostiary audit …`. */
export async function auditCommand([name, ...args]: string[], io: Io): Promise<number> {
  const command = await commands[name as keyof typeof commands]()
  return command(args, io)
}

async function key(args: string[], io: Io): Promise<number> {
  parse(args, {})
  const { publicKey } = readAuditKey(findDataDirectory(io.env))
  io.stdout.write(publicKey.export({ type: 'spki', format: 'pem' }).toString())
  io.stderr.write(`Key ${keyIdOf(publicKey)}. Keep it where who may write to the database cannot.\n`)
  return 0
}
