import type { KeyView } from '#admin/key-view.ts'
import { Problem } from '#core/problems.ts'
import { callAdmin } from './admin-client.ts'
import { parse, toSeconds } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { readSettings } from './key-options.ts'
import { reportLeak, revokeMany } from './keys-in-bulk.ts'
import { renderTable } from './table.ts'

const { commands: described } = commandTable.keys
const commands: Readonly<Record<keyof typeof described, Command>> = {
  create,
  list,
  show,
  update,
  rotate,
  disable: (args, io) => act('disable', 'is disabled', args, io),
  enable: (args, io) => act('enable', 'is enabled', args, io),
  revoke,
  'report-leak': reportLeak,
}

/** `ostiary keys …`. */
export async function keysCommand([name, ...args]: string[], io: Io): Promise<number> {
  return commands[name as keyof typeof commands](args, io)
}

type Shown = { readonly key: KeyView }
type Minted = Shown & { readonly secret: string }

async function create(args: string[], io: Io): Promise<number> {
  const { name, project, env, json, ...settings } = parse(args, described.create.options).values
  if (name === undefined) throw new Problem('cli.usage', { detail: '--name is missing.' })
  const answer = await callAdmin(io, 'POST', '/api/keys', {
    name,
    ...(project !== undefined && { project }),
    ...(env !== undefined && { environment: env }),
    ...readSettings(settings),
  })
  return json ? printJson(io, answer) : printMinted(io, answer as Minted)
}

async function list(args: string[], io: Io): Promise<number> {
  const { json, env, ...filters } = parse(args, described.list.options).values
  const query = new URLSearchParams({ limit: '1000' })
  for (const [name, value] of Object.entries({ ...filters, environment: env })) {
    if (value !== undefined) query.set(name, value)
  }
  const keys: KeyView[] = []
  for (let next: string | null = ''; next !== null; ) {
    if (next !== '') query.set('after', next)
    const page = (await callAdmin(io, 'GET', `/api/keys?${query}`)) as { keys: KeyView[]; next: string | null }
    keys.push(...page.keys)
    next = page.next
  }
  if (json) return printJson(io, keys)
  io.stdout.write(table(keys))
  return 0
}

async function show(args: string[], io: Io): Promise<number> {
  const { id, json } = readId(args, described.show.options)
  const answer = (await callAdmin(io, 'GET', pathOf(id))) as Shown
  if (json) return printJson(io, answer)
  const rows = Object.entries(answer.key).flatMap(([name, value]) => (value === null ? [] : [[name, textOf(value)]]))
  io.stdout.write(rows.map(([name = '', value]) => `${name.padEnd(16)} ${value}\n`).join(''))
  return 0
}

async function update(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, described.update.options, true)
  const { json, name, ...settings } = values
  const body = { ...(name !== undefined && { name }), ...readSettings(settings) }
  if (Object.keys(body).length === 0) throw new Problem('cli.usage', { detail: 'Name what is to change.' })
  const answer = (await callAdmin(io, 'PATCH', pathOf(onlyId(positionals)), body)) as Shown
  if (json) return printJson(io, answer)
  io.stdout.write(`${answer.key.id} is changed.\n`)
  return 0
}

async function rotate(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, described.rotate.options, true)
  if (values.grace === undefined) {
    throw new Problem('cli.usage', { detail: '--grace is missing: how long do the secrets before it still work?' })
  }
  const grace = values.grace === '0' ? 0 : toSeconds('--grace', values.grace)
  const answer = await callAdmin(io, 'POST', `${pathOf(onlyId(positionals))}/rotate`, { grace: grace ?? Number.NaN })
  return values.json ? printJson(io, answer) : printMinted(io, answer as Minted)
}

async function revoke(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, described.revoke.options, true)
  if (positionals[0] === '-' || values.project !== undefined || values.prefix !== undefined) {
    return revokeMany(values, positionals, io)
  }
  return act('revoke', 'is revoked', args, io)
}

async function act(verb: 'disable' | 'enable' | 'revoke', done: string, args: string[], io: Io): Promise<number> {
  const { id, json } = readId(args, described.disable.options)
  const answer = (await callAdmin(io, 'POST', `${pathOf(id)}/${verb}`)) as Shown
  if (json) return printJson(io, answer)
  io.stdout.write(`${answer.key.id} ${done}.\n`)
  return 0
}

function readId(args: string[], options: typeof described.show.options): { id: string; json: boolean } {
  const { values, positionals } = parse(args, options, true)
  return { id: onlyId(positionals), json: values.json ?? false }
}

function onlyId(positionals: readonly string[]): string {
  const [id] = positionals
  if (id === undefined || positionals.length > 1) throw new Problem('cli.usage', { detail: 'Name one key by its id.' })
  return id
}

function pathOf(id: string): string {
  return `/api/keys/${encodeURIComponent(id)}`
}

/** The secret alone on standard output; what people want to know beside it on standard error. */
function printMinted(io: Io, { key, secret }: Minted): 0 {
  io.stdout.write(`${secret}\n`)
  io.stderr.write(`${key.id} · ${key.environment} · ${expiryOf(key)} · shown this once\n`)
  return 0
}

function printJson(io: Io, value: unknown): 0 {
  io.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
  return 0
}

function textOf(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function expiryOf(key: KeyView): string {
  return key.expires_at === null ? 'no end' : `until ${minuteOf(key.expires_at)} UTC`
}

function minuteOf(time: string): string {
  return time.slice(0, 16).replace('T', ' ')
}

function table(keys: readonly KeyView[]): string {
  if (keys.length === 0) return 'No keys.\n'
  const rows = keys.map(key => {
    const used = key.last_used_at === null ? 'never' : `${minuteOf(key.last_used_at)} UTC`
    const status = key.leak_reported_at === null ? key.status : `${key.status}, leaked`
    return [key.id, key.name, key.hint, (key.roles ?? []).join(', ') || '-', status, expiryOf(key), used]
  })
  return renderTable(['ID', 'NAME', 'KEY', 'ROLES', 'STATUS', 'END', 'LAST USED'], rows)
}
