import type { RewrapView } from '#admin/operations/secrets-rewrap.ts'
import type { SecretView } from '#admin/secret-view.ts'
import { Problem } from '#core/problems.ts'
import { callAdmin } from './admin-client.ts'
import { parse, toSeconds } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { readSecretInput } from './secret-input.ts'
import { renderTable } from './table.ts'

const { commands: described } = commandTable.secrets
const commands: Readonly<Record<keyof typeof described, Command>> = { set, rotate, list, delete: remove, rewrap }

/** `ostiary secrets …`. */
export async function secretsCommand([name, ...args]: string[], io: Io): Promise<number> {
  return commands[name as keyof typeof commands](args, io)
}

async function set(args: string[], io: Io): Promise<number> {
  const { name, json } = readName(args, described.set.options)
  const value = (await readSecretInput(io)).reveal()
  const answer = (await callAdmin(io, 'PUT', pathOf(name), { value })) as { secret: SecretView }
  io.stdout.write(json ? `${JSON.stringify(answer, null, 2)}\n` : `${describe(answer.secret)}\n`)
  return 0
}

async function rotate(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, described.rotate.options, true)
  const name = onlyName(positionals)
  const seconds = toSeconds('--grace', values.grace ?? '1h')
  if (seconds === null) throw new Problem('cli.usage', { detail: '--grace must end: write 1h, 15m or 0s.' })
  const value = (await readSecretInput(io)).reveal()
  const answer = (await callAdmin(io, 'POST', `${pathOf(name)}/rotate`, { value, grace: seconds })) as {
    secret: SecretView
  }
  io.stdout.write(values.json ? `${JSON.stringify(answer, null, 2)}\n` : `${describe(answer.secret)}\n`)
  return 0
}

async function list(args: string[], io: Io): Promise<number> {
  const { json } = parse(args, described.list.options).values
  const secrets: SecretView[] = []
  for (let after: string | null = ''; after !== null; ) {
    const path = `/api/secrets?limit=1000${after && `&after=${encodeURIComponent(after)}`}`
    const page = (await callAdmin(io, 'GET', path)) as { secrets: SecretView[]; next: string | null }
    secrets.push(...page.secrets)
    after = page.next
  }
  io.stdout.write(json ? `${JSON.stringify(secrets, null, 2)}\n` : table(secrets))
  return 0
}

async function remove(args: string[], io: Io): Promise<number> {
  const { name, json } = readName(args, described.delete.options)
  const answer = await callAdmin(io, 'DELETE', pathOf(name))
  io.stdout.write(json ? `${JSON.stringify(answer, null, 2)}\n` : `${name} is deleted.\n`)
  return 0
}

/** A batch a request, so that the gateway is never held up for long, and what a crash leaves is brought to its end. */
async function rewrap(args: string[], io: Io): Promise<number> {
  const { json } = parse(args, described.rewrap.options).values
  let rewrapped = 0
  for (;;) {
    const step = (await callAdmin(io, 'POST', '/api/secrets/rewrap', {})) as RewrapView
    rewrapped += step.rewrapped
    if (step.remaining > 0) {
      io.stderr.write(`${rewrapped} of ${rewrapped + step.remaining} data keys are under ${step.kek_id}\n`)
      continue
    }
    if (json) io.stdout.write(`${JSON.stringify({ ...step, rewrapped }, null, 2)}\n`)
    else io.stdout.write(summarise(step, rewrapped))
    return 0
  }
}

function summarise({ kek_id, removed, kept }: RewrapView, rewrapped: number): string {
  const lines = [`${rewrapped} data ${rewrapped === 1 ? 'key was' : 'keys were'} brought under ${kek_id}.`]
  for (const id of removed) lines.push(`The key-encryption key ${id} is deleted.`)
  for (const { kek_id: id, used_by } of kept) {
    lines.push(`The key-encryption key ${id} stays: ${used_by.join(', ')} is sealed under it.`)
    lines.push('Seal it anew with ostiary config encrypt, apply the configuration, and run this again.')
  }
  return `${lines.join('\n')}\n`
}

function readName(args: string[], options: typeof described.set.options): { name: string; json: boolean } {
  const { values, positionals } = parse(args, options, true)
  return { name: onlyName(positionals), json: values.json ?? false }
}

function onlyName([name, ...more]: readonly string[]): string {
  if (name === undefined) throw new Problem('cli.usage', { detail: 'Name one secret.' })
  if (more.length > 0) {
    throw new Problem('cli.usage', { detail: 'Name one secret, and give its value on standard input only.' })
  }
  return name
}

function pathOf(name: string): string {
  return `/api/secrets/${encodeURIComponent(name)}`
}

function describe({ name, version, used_by, previous }: SecretView): string {
  const before = previous === null ? '' : `; version ${previous.version} is valid until ${minuteOf(previous.ends_at)}`
  const use = used_by.length === 0 ? 'nothing in effect refers to it' : `in effect for ${used_by.join(', ')}`
  return `${name} is at version ${version}${before}; ${use}.`
}

function table(secrets: readonly SecretView[]): string {
  if (secrets.length === 0) return 'No secrets.\n'
  const rows = secrets.map(({ name, version, created_at, kek_id, used_by, previous }) => [
    name,
    String(version),
    minuteOf(created_at),
    `${Math.floor((Date.now() - Date.parse(created_at)) / 86_400_000)} d`,
    kek_id,
    used_by.join(', ') || 'no',
    previous === null ? '' : `${previous.version} until ${minuteOf(previous.ends_at)}`,
  ])
  return renderTable(['NAME', 'VERSION', 'CREATED', 'AGE', 'KEK', 'USED', 'PREVIOUS'], rows)
}

function minuteOf(iso: string): string {
  return `${iso.slice(0, 16).replace('T', ' ')} UTC`
}
