import type { KeyView } from '#admin/key-view.ts'
import { Problem } from '#core/problems.ts'
import { callAdmin } from './admin-client.ts'
import { parse, toSeconds } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { renderTable } from './table.ts'

const HELP = `Usage: ostiary keys <command> [options]

  create --name NAME [--env live|test] [--expires 30d|12h|never]
             prints the new key, this once
  list       newest first
  revoke ID  ends a key, now and for good

  --json     prints what the admin API answered

Example: ostiary keys create --name checkout --expires 30d --json
`

const commands: Readonly<Record<string, Command>> = { create, list, revoke }

/** `ostiary keys …`. */
export async function keysCommand([name, ...args]: string[], io: Io): Promise<number> {
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command !== undefined && !args.includes('--help')) return command(args, io)
  const asked = command !== undefined || name === '--help' || name === '-h'
  ;(asked ? io.stdout : io.stderr).write(HELP)
  return asked ? 0 : 2
}

async function create(args: string[], io: Io): Promise<number> {
  const { name, env, expires, json } = parse(args, {
    name: { type: 'string' },
    env: { type: 'string' },
    expires: { type: 'string' },
    json: { type: 'boolean' },
  }).values
  if (name === undefined) throw new Problem('cli.usage', { detail: '--name is missing.' })
  const answer = (await callAdmin(io, 'POST', '/api/keys', {
    name,
    ...(env !== undefined && { environment: env }),
    ...(expires !== undefined && { expires_in: toSeconds('--expires', expires) }),
  })) as { key: KeyView; secret: string }
  if (json) io.stdout.write(`${JSON.stringify(answer, null, 2)}\n`)
  else {
    io.stdout.write(`${answer.secret}\n`)
    io.stderr.write(`${answer.key.id} · ${answer.key.environment} · ${expiryOf(answer.key)} · shown this once\n`)
  }
  return 0
}

async function list(args: string[], io: Io): Promise<number> {
  const { json } = parse(args, { json: { type: 'boolean' } }).values
  const keys: KeyView[] = []
  for (let after: string | null = ''; after !== null; ) {
    const page: { keys: KeyView[]; next: string | null } = (await callAdmin(
      io,
      'GET',
      `/api/keys?limit=1000${after && `&after=${after}`}`,
    )) as never
    keys.push(...page.keys)
    after = page.next
  }
  io.stdout.write(json ? `${JSON.stringify(keys, null, 2)}\n` : table(keys))
  return 0
}

async function revoke(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, { json: { type: 'boolean' } }, true)
  const [id] = positionals
  if (id === undefined || positionals.length > 1) throw new Problem('cli.usage', { detail: 'Name one key by its id.' })
  const answer = (await callAdmin(io, 'POST', `/api/keys/${encodeURIComponent(id)}/revoke`)) as { key: KeyView }
  io.stdout.write(values.json ? `${JSON.stringify(answer, null, 2)}\n` : `${answer.key.id} is revoked.\n`)
  return 0
}

function expiryOf(key: KeyView): string {
  return key.expires_at === null ? 'no end' : `until ${key.expires_at.slice(0, 16).replace('T', ' ')} UTC`
}

function table(keys: readonly KeyView[]): string {
  if (keys.length === 0) return 'No keys.\n'
  const rows = keys.map(key => [key.id, key.name, key.hint, key.status, expiryOf(key)])
  return renderTable(['ID', 'NAME', 'KEY', 'STATUS', 'END'], rows)
}
