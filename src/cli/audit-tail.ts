import { setTimeout as pause } from 'node:timers/promises'
import { readEvents } from '#audit/read-events.ts'
import { readNewest } from '#audit/read-newest.ts'
import type { CallEvent, OstiaryEvent, RefusalsEvent } from '#core/events.ts'
import { Problem } from '#core/problems.ts'
import { parse } from './arguments.ts'
import { readFilter } from './audit-filter.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { openAudit } from './open-audit.ts'
import { printable } from './printable.ts'

const POLL_MS = 500

/** `ostiary audit tail`. With `--follow` until the process is ended. */
export async function auditTail(args: string[], io: Io): Promise<number> {
  const { values } = parse(args, commandTable.audit.commands.tail.options)
  const { count = '10' } = values
  if (!/^\d{1,5}$/.test(count)) throw new Problem('cli.usage', { detail: '--count takes a number up to 99999.' })
  const filter = readFilter(values)
  const print = (event: OstiaryEvent) => io.stdout.write(`${values.json ? JSON.stringify(event) : describe(event)}\n`)
  await using reader = await openAudit(io, { snapshot: false })
  const { events, places } = await readNewest(reader, filter, Number(count))
  events.forEach(print)
  while (values.follow) {
    await pause(POLL_MS)
    for await (const event of readEvents(reader, filter, places)) print(event)
  }
  return 0
}

/** One line for people. */
function describe(event: OstiaryEvent): string {
  const head = `${new Date(event.at).toISOString()}  ${event.type.padEnd(16)}`
  switch (event.type) {
    case 'call':
      return `${head} ${event.id}  ${event.credential ?? '-'}  ${printable(event.model)}  ${event.status} ${event.problem === null ? event.outcome : `${event.problem}${describeCause(event)}`}`
    case 'admitted':
      return `${head} ${event.id}  ${event.credential ?? '-'}  ${printable(event.model)}`
    case 'refusals':
      return `${head} ${event.count} × ${event.problem}${describeCause(event)}  from ${printable(event.source)}`
    default:
      return 'subject' in event
        ? `${head} ${event.subject}  by ${event.actor}`
        : `${head} ${printable(event.detail === null ? '-' : event.detail)}`
  }
}

/**
 * ` (token_expired, company:alice)`: which check refused, and whom, as far as that is known; of the policies, which
 * forbade it. Whose call it was stands before, so that it is said of refusals alone.
 */
function describeCause(event: RefusalsEvent | CallEvent): string {
  const more = event.type === 'refusals' ? event.credential : (event.policyError ?? null)
  const known = [event.reason, more].filter(text => text != null).map(printable)
  return known.length === 0 ? '' : ` (${known.join(', ')})`
}
