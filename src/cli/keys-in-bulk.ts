import { Problem } from '#core/problems.ts'
import { callAdmin } from './admin-client.ts'
import { parse } from './arguments.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { readLines } from './read-lines.ts'

interface Revoked {
  readonly revoked: readonly string[]
  readonly unknown: readonly string[]
  readonly more: boolean
}

interface Leaks {
  readonly results: readonly {
    readonly outcome: 'revoked' | 'flagged' | 'ended' | 'unknown'
    readonly key: string | null
  }[]
}

interface Chosen {
  readonly project?: string | undefined
  readonly prefix?: string | undefined
  readonly json?: boolean | undefined
}

const IDS_A_REQUEST = 500
const SECRETS_A_REQUEST = 200

/** `ostiary keys revoke -`, `--project P` or `--prefix sk_live_`. Ids of no key make it fail, after all others are revoked. */
export async function revokeMany(
  { project, prefix, json }: Chosen,
  operands: readonly string[],
  io: Io,
): Promise<number> {
  const ways = [project, prefix, operands[0]].filter(way => way !== undefined)
  if (ways.length > 1 || operands.length > 1) {
    throw new Problem('cli.usage', { detail: 'Name keys in one way: ids, --project or --prefix.' })
  }
  const bodies =
    operands.length > 0
      ? chunksOf(await readLines(io, 'ids of keys'), IDS_A_REQUEST).map(ids => ({ ids }))
      : [project !== undefined ? { project } : { prefix }]
  const revoked: string[] = []
  const unknown: string[] = []
  for (const body of bodies) {
    for (let more = true; more; ) {
      const answer = (await callAdmin(io, 'POST', '/api/keys/revoke', body)) as Revoked
      revoked.push(...answer.revoked)
      unknown.push(...answer.unknown)
      more = answer.more
    }
  }
  if (json) io.stdout.write(`${JSON.stringify({ revoked, unknown }, null, 2)}\n`)
  else io.stdout.write(`Keys revoked: ${revoked.length}.\n`)
  if (unknown.length > 0) throw new Problem('key.not_found', { detail: `There is no key ${unknown.join(', ')}.` })
  return 0
}

/** `ostiary keys report-leak`. What stands on standard input is never printed. */
export async function reportLeak(args: string[], io: Io): Promise<number> {
  const { json, flag, revoke } = parse(args, commandTable.keys.commands['report-leak'].options).values
  if (flag && revoke) throw new Problem('cli.usage', { detail: 'Either --flag or --revoke.' })
  const action = flag ? { action: 'flag' } : revoke ? { action: 'revoke' } : {}
  const results: Leaks['results'][number][] = []
  for (const secrets of chunksOf(await readLines(io, 'texts of keys'), SECRETS_A_REQUEST)) {
    results.push(...((await callAdmin(io, 'POST', '/api/keys/report-leak', { secrets, ...action })) as Leaks).results)
  }
  if (json) io.stdout.write(`${JSON.stringify({ results }, null, 2)}\n`)
  else {
    const lines = results.map(
      ({ outcome, key }, at) => `line ${at + 1}: ${key ?? 'no key of this gateway'}${said[outcome]}\n`,
    )
    io.stdout.write(lines.join(''))
  }
  return 0
}

const said = { revoked: ' is revoked', flagged: ' is flagged', ended: ' had ended before', unknown: '' }

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = []
  for (let at = 0; at < items.length; at += size) chunks.push(items.slice(at, at + size))
  return chunks
}
