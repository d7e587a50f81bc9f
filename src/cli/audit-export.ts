import { readFileSync } from 'node:fs'
import { ocsfRecord } from '#audit/ocsf.ts'
import { readEvents } from '#audit/read-events.ts'
import { syslogMessage } from '#audit/syslog.ts'
import type { OstiaryEvent } from '#core/events.ts'
import { Problem } from '#core/problems.ts'
import { parse } from './arguments.ts'
import { readDestination, readFilter } from './audit-filter.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { openAudit } from './open-audit.ts'
import { openSyslogLine } from './syslog-line.ts'
import { readVersion } from './version.ts'

/** Written at once: an event a write would cost more than the event. */
const BLOCK_CHARS = 64 * 1024

const formats: Readonly<Record<string, (event: OstiaryEvent) => string>> = {
  jsonl: event => JSON.stringify(event),
  ocsf: event => JSON.stringify(ocsfRecord(event, readVersion())),
  syslog: syslogMessage,
}

/** `ostiary audit export`. */
export async function auditExport(args: string[], io: Io): Promise<number> {
  const { format = 'jsonl', to, ca, ...values } = parse(args, commandTable.audit.commands.export.options).values
  const render = Object.hasOwn(formats, format) ? formats[format] : undefined
  if (render === undefined) throw new Problem('cli.usage', { detail: '--format takes jsonl, ocsf or syslog.' })
  const filter = readFilter({ ...values, to })
  const destination = readDestination(to)
  if (destination !== undefined && format !== 'syslog') {
    throw new Problem('cli.usage', { detail: '--to tls://… takes syslog: add --format syslog.' })
  }
  if (ca !== undefined && destination === undefined)
    throw new Problem('cli.usage', { detail: '--ca needs --to tls://….' })
  await using reader = await openAudit(io, { snapshot: true })
  await using line =
    destination === undefined
      ? standardOutput(io)
      : await openSyslogLine(destination, ca === undefined ? undefined : readCa(ca))
  let block = ''
  for await (const event of readEvents(reader, filter)) {
    block += line.frame(render(event))
    if (block.length < BLOCK_CHARS) continue
    await line.write(block)
    block = ''
  }
  await line.write(block)
  await line.end()
  return 0
}

function standardOutput({ stdout }: Io) {
  return {
    frame: (text: string) => `${text}\n`,
    /** Resolves when there is room for more: what reads it may be slow. */
    async write(text: string): Promise<void> {
      if (text === '' || stdout.write(text) !== false || stdout.once === undefined) return
      await new Promise<void>(resolve => {
        stdout.once?.('drain', resolve)
        stdout.once?.('close', resolve)
      })
    },
    async end(): Promise<void> {},
    async [Symbol.asyncDispose](): Promise<void> {},
  }
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new Problem('cli.usage', { detail: `--ca ${file} cannot be read.`, cause })
  }
}
