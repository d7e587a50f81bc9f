import { Problem } from '#core/problems.ts'
import { type RevocationKind, revocationKinds } from '#core/revocation.ts'
import { callOperation } from './admin-client.ts'
import type { AdminOperations } from './admin-types.ts'
import { parse, readTime, toSeconds } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { printable } from './printable.ts'
import { renderTable } from './table.ts'
import { readTokenNames } from './token-names.ts'

type Revocation = AdminOperations['revocationsShow']['answer']['revocation']
type NewRevocation = AdminOperations['revocationsCreate']['body']

const { commands: described } = commandTable.revocations
const commands: Readonly<Record<keyof typeof described, Command>> = { create, list, show, delete: lift }

/** `ostiary revocations …`. */
export async function revocationsCommand([name, ...args]: string[], io: Io): Promise<number> {
  return commands[name as keyof typeof commands](args, io)
}

async function create(args: string[], io: Io): Promise<number> {
  const { at, expires, reason, json, issuer, ...ways } = parse(args, described.create.options).values
  const notBefore = readTime('--at', at)
  const body = {
    ...(await nameTokens(ways, issuer, io)),
    ...(notBefore !== undefined && { not_before: new Date(notBefore).toISOString() }),
    ...(expires !== undefined && { expires_at: readEnd(expires) }),
    ...(reason !== undefined && { reason }),
  }
  const answer = await callOperation(io, 'revocationsCreate', { body })
  if (json) return printJson(io, answer)
  io.stdout.write(`${answer.revocation.id}\n`)
  io.stderr.write(`${describe(answer.revocation)}\n`)
  return 0
}

type Ways = Readonly<Partial<Record<RevocationKind, string> & { readonly 'token-from-stdin': boolean }>>

async function nameTokens(ways: Ways, issuer: string | undefined, io: Io): Promise<NewRevocation> {
  const { 'token-from-stdin': fromStdin = false, ...named } = ways
  const found = revocationKinds.flatMap(kind => (named[kind] === undefined ? [] : [{ kind, value: named[kind] }]))
  const [first] = found
  if (found.length + Number(fromStdin) !== 1) {
    throw new Problem('cli.usage', {
      detail: 'Name tokens in one way: --subject, --client, --session, --token, --token-from-stdin or --key.',
    })
  }
  if (first !== undefined) {
    if (issuer === undefined) throw new Problem('cli.usage', { detail: '--issuer is missing.' })
    return { issuer, ...first }
  }
  const token = await readTokenNames(io, issuer)
  if (token.expiresAt !== undefined && token.expiresAt <= Date.now()) {
    throw new Problem('cli.usage', { detail: 'The token has ended: there is nothing to revoke.' })
  }
  return {
    issuer: token.issuer,
    kind: 'token',
    value: token.tokenId,
    ...(token.expiresAt !== undefined && { expires_at: new Date(token.expiresAt).toISOString() }),
  }
}

function readEnd(text: string): string | null {
  if (text === 'never') return null
  const isSpan = /^\d+[smhd]$/.test(text)
  const end = isSpan ? Date.now() + (toSeconds('--expires', text) ?? 0) * 1000 : readTime('--expires', text)
  return new Date(end as number).toISOString()
}

async function list(args: string[], io: Io): Promise<number> {
  const { json, kind, ...filter } = parse(args, described.list.options).values
  const wanted = kind === undefined ? undefined : revocationKinds.find(each => each === kind)
  if (kind !== undefined && wanted === undefined) {
    throw new Problem('cli.usage', { detail: `--kind ${kind}: there are ${revocationKinds.join(', ')}.` })
  }
  const revocations: Revocation[] = []
  for (let after: string | null | undefined; after !== null; ) {
    const query = { limit: 1000, ...filter, ...(wanted && { kind: wanted }), ...(after !== undefined && { after }) }
    const page: AdminOperations['revocationsList']['answer'] = await callOperation(io, 'revocationsList', { query })
    revocations.push(...page.revocations)
    after = page.next
  }
  if (json) return printJson(io, revocations)
  const rows = revocations.map(entry => [
    entry.id,
    entry.issuer,
    entry.kind,
    printable(entry.value),
    entry.not_before === null ? 'any time' : minuteOf(entry.not_before),
    entry.expires_at === null ? 'no end' : minuteOf(entry.expires_at),
    printable(entry.reason ?? ''),
  ])
  const head = ['ID', 'ISSUER', 'KIND', 'VALUE', 'ISSUED UNTIL', 'KEPT UNTIL', 'REASON']
  io.stdout.write(rows.length === 0 ? 'No tokens are revoked.\n' : renderTable(head, rows))
  return 0
}

async function show(args: string[], io: Io): Promise<number> {
  const { id, json } = readId(args, described.show.options)
  const answer = await callOperation(io, 'revocationsShow', { path: { id } })
  if (json) return printJson(io, answer)
  const lines = Object.entries(answer.revocation).map(([name, value]) => `${name.padEnd(11)} ${printable(value)}\n`)
  io.stdout.write(lines.join(''))
  return 0
}

async function lift(args: string[], io: Io): Promise<number> {
  const { id, json } = readId(args, described.delete.options)
  const answer = await callOperation(io, 'revocationsDelete', { path: { id } })
  if (json) return printJson(io, answer)
  io.stdout.write(`${id} is lifted: what it refused is good again.\n`)
  return 0
}

function readId(args: string[], options: (typeof described)['show']['options']): { id: string; json: boolean } {
  const { values, positionals } = parse(args, options, true)
  const [id] = positionals
  if (id === undefined || positionals.length > 1) {
    throw new Problem('cli.usage', { detail: 'Name one entry by its id.' })
  }
  return { id, json: values.json ?? false }
}

function describe({ issuer, kind, value, not_before, expires_at }: Revocation): string {
  const issued = not_before === null ? '' : `, issued until ${not_before}`
  const end = expires_at === null ? 'for good' : `until ${minuteOf(expires_at)}`
  const name = kind === 'token' ? 'jti' : kind
  return `Refused: tokens of ${issuer} with the ${name} ${printable(value)}${issued}; kept ${end}.`
}

function minuteOf(iso: string): string {
  return `${iso.slice(0, 16).replace('T', ' ')} UTC`
}

function printJson(io: Io, value: unknown): 0 {
  io.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
  return 0
}
