import type { CommandDescription, CommandEntry } from './command.ts'
import { commandTable } from './command-table.ts'
import { readVersion } from './version.ts'

/** What `ostiary … --help` prints: of the program, a command, or a command’s command. */
export function helpFor(name?: string, inner?: string): string {
  if (name === undefined) return programHelp()
  const entry: CommandEntry = commandTable[name as keyof typeof commandTable]
  const found = inner === undefined ? undefined : entry.commands?.[inner]
  if (found !== undefined) return commandHelp(`${name} ${inner}`, found)
  return entry.commands === undefined ? commandHelp(name, entry) : groupHelp(name, entry)
}

function programHelp(): string {
  const rows = Object.entries(commandTable).map(([name, { summary }]) => `  ${name.padEnd(10)}  ${summary}\n`)
  return `Usage: ostiary <command> [options]\n\n${rows.join('')}\nostiary <command> --help says more. ostiary --version prints ${readVersion()}.\n`
}

function groupHelp(name: string, { commands = {}, notes, example }: CommandEntry): string {
  const rows = Object.entries(commands).map(
    ([inner, command]) => `  ${synopsis(inner, command)}\n             ${command.summary}\n`,
  )
  return `Usage: ostiary ${name} <command> [options]\n\n${rows.join('')}${notesOf(notes)}\nExample: ${example}\n`
}

function commandHelp(name: string, command: CommandDescription): string {
  const shown = Object.entries(command.options ?? {}).map(
    ([option, { value, description }]) =>
      [value === undefined ? `--${option}` : `--${option} ${value}`, description] as const,
  )
  const width = Math.max(0, ...shown.map(([option]) => option.length))
  const rows = shown.map(([option, description]) => `  ${option.padEnd(width)}   ${description}\n`).join('')
  const { summary, notes, example } = command
  const said = `${summary[0]?.toUpperCase()}${summary.slice(1)}.`
  return `Usage: ostiary ${synopsis(name, command)}\n\n${said}\n${rows && `\n${rows}`}${notesOf(notes)}\nExample: ${example}\n`
}

function notesOf(notes: string | undefined): string {
  return notes === undefined ? '' : `\n${notes}\n`
}

/** `create --name NAME [--json]` */
function synopsis(name: string, { operands, options = {} }: CommandDescription): string {
  const words = Object.entries(options).map(([option, { value, required }]) => {
    const text = value === undefined ? `--${option}` : `--${option} ${value}`
    return required === true ? text : `[${text}]`
  })
  return [name, ...(operands === undefined ? [] : [operands]), ...words].join(' ')
}
