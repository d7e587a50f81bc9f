import { type AdminScope, adminScopes } from '#core/operator.ts'
import { Problem } from '#core/problems.ts'
import { resetTokens } from '#offline.ts'
import { callOperation } from './admin-client.ts'
import type { AdminOperations } from './admin-types.ts'
import { parse, toSeconds } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { findOperatorToken } from './operator-token.ts'
import { renderTable } from './table.ts'

type Token = AdminOperations['tokensShow']['answer']['token']

const { commands: described } = commandTable.tokens
const commands: Readonly<Record<keyof typeof described, Command>> = { create, list, show, revoke, reset }

/** `ostiary tokens …`. */
export async function tokensCommand([name, ...args]: string[], io: Io): Promise<number> {
  return commands[name as keyof typeof commands](args, io)
}

async function create(args: string[], io: Io): Promise<number> {
  const { name, scopes, projects, expires, json } = parse(args, described.create.options).values
  if (name === undefined) throw new Problem('cli.usage', { detail: '--name is missing.' })
  const { source } = findOperatorToken(io.env)
  const answer = await callOperation(io, 'tokensCreate', {
    body: {
      name,
      scopes: readScopes(scopes),
      ...(projects !== undefined && { projects: projects.split(',') }),
      ...(expires !== undefined && { expires_in: toSeconds('--expires', expires) }),
    },
  })
  if (json) return printJson(io, answer)
  const { token, secret } = answer
  io.stdout.write(`${secret}\n`)
  io.stderr.write(`${token.id} · ${endOf(token)} · shown this once\n`)
  if (source === 'bootstrap' && token.scopes.includes('tokens:write')) {
    io.stderr.write(
      'The bootstrap token has ended: keep this one in OSTIARY_TOKEN, or in a file named by OSTIARY_TOKEN_FILE.\n',
    )
  }
  return 0
}

async function list(args: string[], io: Io): Promise<number> {
  const { json } = parse(args, described.list.options).values
  const tokens: Token[] = []
  for (let after: string | null | undefined; after !== null; ) {
    const page: AdminOperations['tokensList']['answer'] = await callOperation(io, 'tokensList', {
      query: { limit: 1000, ...(after !== undefined && { after }) },
    })
    tokens.push(...page.tokens)
    after = page.next
  }
  if (json) return printJson(io, tokens)
  const rows = tokens.map(token => [token.id, token.name, token.status, endOf(token), scopesOf(token), usedOf(token)])
  io.stdout.write(
    rows.length === 0
      ? 'No operator tokens.\n'
      : renderTable(['ID', 'NAME', 'STATUS', 'END', 'SCOPES', 'LAST USED'], rows),
  )
  return 0
}

async function show(args: string[], io: Io): Promise<number> {
  const { id, json } = readId(args, described.show.options)
  const answer = await callOperation(io, 'tokensShow', { path: { id } })
  if (json) return printJson(io, answer)
  const { token } = answer
  const rows = [
    ['id', token.id],
    ['name', token.name],
    ['status', token.status],
    ['scopes', token.scopes.join(' ')],
    ['projects', token.projects?.join(' ') ?? 'all'],
    ['created', `${token.created_at} by ${token.created_by}`],
    ['end', endOf(token)],
    ['last used', usedOf(token)],
  ]
  io.stdout.write(rows.map(([name = '', value]) => `${name.padEnd(10)} ${value}\n`).join(''))
  return 0
}

async function revoke(args: string[], io: Io): Promise<number> {
  const { id, json } = readId(args, described.revoke.options)
  const answer = await callOperation(io, 'tokensRevoke', { path: { id } })
  if (json) return printJson(io, answer)
  io.stdout.write(`${answer.token.id} is revoked.\n`)
  return 0
}

async function reset(args: string[], io: Io): Promise<number> {
  const { config, json } = parse(args, described.reset.options).values
  const { ended, file } = await resetTokens({ env: io.env, configFile: config })
  if (json) return printJson(io, { ended, bootstrap_token_file: file })
  const tokens = `${ended.length} operator ${ended.length === 1 ? 'token' : 'tokens'}`
  io.stdout.write(`${tokens} ended. A new bootstrap token is in ${file}\n`)
  return 0
}

function readScopes(text: string | undefined): AdminScope[] {
  if (text === undefined)
    throw new Problem('cli.usage', { detail: '--scopes is missing: name what the token may do, or all.' })
  if (text === 'all') return [...adminScopes]
  return text.split(',').map(name => {
    const scope = adminScopes.find(each => each === name)
    if (scope === undefined) {
      throw new Problem('cli.usage', { detail: `--scopes ${name}: there are ${adminScopes.join(', ')}, and all.` })
    }
    return scope
  })
}

function readId(args: string[], options: (typeof described)['show']['options']): { id: string; json: boolean } {
  const { values, positionals } = parse(args, options, true)
  const [id] = positionals
  if (id === undefined || positionals.length > 1)
    throw new Problem('cli.usage', { detail: 'Name one token by its id.' })
  return { id, json: values.json ?? false }
}

function printJson(io: Io, value: unknown): 0 {
  io.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
  return 0
}

function endOf({ expires_at: end }: Token): string {
  return end === null ? 'no end' : `until ${minuteOf(end)} UTC`
}

function usedOf({ last_used_at: used }: Token): string {
  return used === null ? 'never' : `${minuteOf(used)} UTC`
}

function minuteOf(time: string): string {
  return time.slice(0, 16).replace('T', ' ')
}

function scopesOf({ scopes }: Token): string {
  return scopes.length === adminScopes.length ? 'all' : scopes.join(',')
}
