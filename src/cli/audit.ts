import { keyIdOf } from '#core/checkpoint.ts'
import { readAuditKey } from '#secrets/audit-key.ts'
import { findDataDirectory } from '#secrets/data-directory.ts'
import { parse } from './arguments.ts'
import type { Command, Io } from './command.ts'

const HELP = `Usage: ostiary audit <command> [options]

  verify     checks every row and checkpoint; exits with 1 if anything is not as it was written
             --anchor FILE   the checkpoints that were kept elsewhere: proves what they cover
             --key FILE      public key, as 'ostiary audit key' prints it; may be given again (the data directory's)
  tail       prints the newest events
             --count N (10)  --follow  and the filters of export
  export     prints all events, oldest first
             --format jsonl|ocsf|syslog (jsonl)
             --to tls://HOST:PORT [--ca FILE]   sends syslog there (RFC 5425)
             --from TIME  --to TIME  --type TYPE  --key ID  --project ID  --outcome OUTCOME
  key        prints the public key that verifies checkpoints

  --json     a machine reads it: verify and tail

They read the database by themselves, beside a running gateway or without one.

Example: ostiary audit verify --anchor /mnt/worm/ostiary-anchors.jsonl
`

const commands: Readonly<Record<string, () => Promise<Command>>> = {
  verify: async () => (await import('./audit-verify.ts')).auditVerify,
  tail: async () => (await import('./audit-tail.ts')).auditTail,
  export: async () => (await import('./audit-export.ts')).auditExport,
  key: async () => key,
}

/** `ostiary audit …`. */
export async function auditCommand([name, ...args]: string[], io: Io): Promise<number> {
  const load = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined
  if (load !== undefined && !args.includes('--help')) return (await load())(args, io)
  const asked = load !== undefined || name === '--help' || name === '-h'
  ;(asked ? io.stdout : io.stderr).write(HELP)
  return asked ? 0 : 2
}

async function key(args: string[], io: Io): Promise<number> {
  parse(args, {})
  const { publicKey } = readAuditKey(findDataDirectory(io.env))
  io.stdout.write(publicKey.export({ type: 'spki', format: 'pem' }).toString())
  io.stderr.write(`Key ${keyIdOf(publicKey)}. Keep it where who may write to the database cannot.\n`)
  return 0
}
