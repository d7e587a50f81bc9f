import { Problem } from '#core/problems.ts'
import { callOperation } from './admin-client.ts'
import type { AdminOperations } from './admin-types.ts'
import { parse } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { printable } from './printable.ts'
import { renderTable } from './table.ts'

const { commands: described } = commandTable.issuers
const commands: Readonly<Record<keyof typeof described, Command>> = { list, check }

/** `ostiary issuers …`. */
export async function issuersCommand([name, ...args]: string[], io: Io): Promise<number> {
  return commands[name as keyof typeof commands](args, io)
}

async function list(args: string[], io: Io): Promise<number> {
  const { json } = parse(args, described.list.options).values
  const { issuers } = await callOperation(io, 'issuersList', {})
  if (json) io.stdout.write(`${JSON.stringify(issuers, null, 2)}\n`)
  else io.stdout.write(issuers.length === 0 ? 'No issuers.\n' : table(issuers))
  return 0
}

type Listed = AdminOperations['issuersList']['answer']['issuers'][number]
type Report = AdminOperations['issuersCheck']['answer']

function table(issuers: readonly Listed[]): string {
  const rows = issuers.map(({ name, preset, issuer, keys, fetched_at: fetchedAt, failure }) => [
    name,
    preset,
    issuer,
    keys === null ? 'none' : String(keys.length),
    fetchedAt === null ? 'never' : `${fetchedAt.slice(0, 19).replace('T', ' ')} UTC`,
    failure === null ? 'ok' : printable(failure),
  ])
  return renderTable(['NAME', 'PRESET', 'ISSUER', 'KEYS', 'FETCHED', 'LAST FETCH'], rows)
}

async function check(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, described.check.options, true)
  const [name, ...more] = positionals
  if (name === undefined || more.length > 0) throw new Problem('cli.usage', { detail: 'Name one issuer.' })
  const report = await callOperation(io, 'issuersCheck', { path: { name } })
  io.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : render(name, report))
  return report.ok ? 0 : 1
}

function render(name: string, report: Report): string {
  const { metadata_url: metadata, jwks_uri: jwksUri, keys, clock_difference_ms: difference, findings } = report
  const facts = [
    ['metadata', metadata],
    ['keys at', jwksUri],
    ['clock', difference === null ? null : `${(difference / 1000).toFixed(1)} s`],
  ] as const
  const lines = facts.map(([what, value]) => `${what.padEnd(10)} ${printable(value)}\n`)
  const rows = keys.map(key => [printable(key.kid), key.kind, key.algorithms.join(', '), key.thumbprint])
  const published = rows.length === 0 ? '' : `\n${renderTable(['KID', 'KIND', 'ALGORITHMS', 'THUMBPRINT'], rows)}`
  // Of what the issuer chose nothing may write to the terminal.
  const said = findings.map(
    ({ level, code, text }) => `${level.padEnd(8)} ${code}\n         ${text.replace(/\p{C}/gu, '\ufffd')}\n`,
  )
  const verdict = said.length === 0 ? `Nothing is wrong with ${name}.\n` : said.join('')
  return `${lines.join('')}${published}\n${verdict}`
}
