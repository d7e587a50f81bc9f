import { Problem, type ProblemCode, problemTypes } from '#core/problems.ts'
import type { CommandEntry, Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { helpFor } from './help.ts'
import { readVersion } from './version.ts'

/** `ostiary …`. Resolves to the exit code; a problem is told on standard error with what to do about it. */
export async function runCommand([name, ...args]: string[], io: Io): Promise<number> {
  if (name === '--version') {
    io.stdout.write(`${readVersion()}\n`)
    return 0
  }
  if (name === undefined || name === 'help' || isHelp(name)) {
    io.stdout.write(helpFor())
    return 0
  }
  if (!Object.hasOwn(commandTable, name)) {
    io.stderr.write(`There is no command ${JSON.stringify(name)}.\n\n${helpFor()}`)
    return 2
  }
  const entry: CommandEntry = commandTable[name as keyof typeof commandTable]
  const [inner = ''] = args
  const isInner = entry.commands !== undefined && Object.hasOwn(entry.commands, inner)
  if (args.some(isHelp)) {
    io.stdout.write(helpFor(name, isInner ? inner : undefined))
    return 0
  }
  if (entry.commands !== undefined && !isInner) {
    io.stderr.write(helpFor(name))
    return 2
  }
  try {
    const command = await entry.load()
    return await command(args, io)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    io.stderr.write(describe(error))
    return isWrongUsage(error.code) ? 2 : 1
  }
}

function isHelp(argument: string): boolean {
  return argument === '--help' || argument === '-h'
}

function describe(problem: Problem): string {
  const detail = problem.detail === undefined ? '' : `\n${problem.detail}`
  return `${problem.title} (${problem.code})${detail}\n${problemTypes[problem.code].help}\n`
}

function isWrongUsage(code: ProblemCode): boolean {
  return code === 'config.invalid' || code === 'policy.cases_invalid' || code === 'cli.usage'
}
