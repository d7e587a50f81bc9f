import type { Command, CommandDescription, Io } from './command.ts'

/** A command that consists of commands of its own: `ostiary <name> <command>`, with the help of each. */
export function commandGroup<const Names extends string>(
  name: string,
  described: Readonly<Record<Names, CommandDescription>>,
  commands: Readonly<Record<Names, Command>>,
): Command {
  return async ([inner, ...args]: string[], io: Io) => {
    if (inner !== undefined && Object.hasOwn(described, inner)) {
      const known = inner as Names
      if (!args.includes('--help') && !args.includes('-h')) return commands[known](args, io)
      io.stdout.write(commandHelp(`${name} ${known}`, described[known]))
      return 0
    }
    const asked = inner === '--help' || inner === '-h'
    ;(asked ? io.stdout : io.stderr).write(groupHelp(name, described))
    return asked ? 0 : 2
  }
}

function groupHelp(name: string, described: Readonly<Record<string, CommandDescription>>): string {
  const entries = Object.entries(described)
  const rows = entries.map(([inner, command]) => `  ${synopsis(inner, command)}\n             ${command.summary}\n`)
  return `Usage: ostiary ${name} <command> [options]\n\n${rows.join('')}\nExample: ${entries[0]?.[1].example}\n`
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
  const more = notes === undefined ? '' : `\n${notes}\n`
  return `Usage: ostiary ${synopsis(name, command)}\n\n${said}\n${rows && `\n${rows}`}${more}\nExample: ${example}\n`
}

/** `create --name NAME [--json]` */
function synopsis(name: string, { operands, options = {} }: CommandDescription): string {
  const words = Object.entries(options).map(([option, { value, required }]) => {
    const text = value === undefined ? `--${option}` : `--${option} ${value}`
    return required === true ? text : `[${text}]`
  })
  return [name, ...(operands === undefined ? [] : [operands]), ...words].join(' ')
}
