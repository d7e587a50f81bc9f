import { Problem, type ProblemCode, problemTypes } from '#core/problems.ts'
import type { Command, Io } from './command.ts'
import { readVersion } from './version.ts'

interface Entry {
  readonly summary: string
  /** Loaded when called: `keys list` need not wait for what `start` imports. */
  readonly load: () => Promise<Command>
}

const commands: Readonly<Record<string, Entry>> = {
  start: { summary: 'run the gateway', load: async () => (await import('./start.ts')).startCommand },
  projects: {
    summary: 'create, list, change and delete projects',
    load: async () => (await import('./projects.ts')).projectsCommand,
  },
  keys: {
    summary: 'mint, show, change, rotate and end API keys',
    load: async () => (await import('./keys.ts')).keysCommand,
  },
  secrets: {
    summary: 'set, rotate, list and delete secrets of the vault',
    load: async () => (await import('./secrets.ts')).secretsCommand,
  },
  audit: {
    summary: 'verify, follow and export what happened',
    load: async () => (await import('./audit.ts')).auditCommand,
  },
  config: {
    summary: 'check, show and reload the configuration; seal a value for it',
    load: async () => (await import('./config.ts')).configCommand,
  },
  backup: {
    summary: 'write the database and the keys to a sealed file',
    load: async () => (await import('./backup.ts')).backupCommand,
  },
  restore: {
    summary: 'bring a backup into an empty data directory',
    load: async () => (await import('./restore.ts')).restoreCommand,
  },
}

/** `ostiary …`. Resolves to the exit code; a problem is told on standard error with what to do about it. */
export async function runCommand([name, ...args]: string[], io: Io): Promise<number> {
  if (name === '--version') {
    io.stdout.write(`${readVersion()}\n`)
    return 0
  }
  const entry = name === undefined || !Object.hasOwn(commands, name) ? undefined : commands[name]
  if (entry === undefined) {
    const asked = name === undefined || name === '--help' || name === '-h' || name === 'help'
    const output = asked ? io.stdout : io.stderr
    if (!asked) output.write(`There is no command ${JSON.stringify(name)}.\n\n`)
    output.write(usage())
    return asked ? 0 : 2
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

function usage(): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}\n`)
  return `Usage: ostiary <command> [options]\n\n${rows.join('')}\nostiary <command> --help says more. ostiary --version prints ${readVersion()}.\n`
}

function describe(problem: Problem): string {
  const detail = problem.detail === undefined ? '' : `\n${problem.detail}`
  return `${problem.title} (${problem.code})${detail}\n${problemTypes[problem.code].help}\n`
}

function isWrongUsage(code: ProblemCode): boolean {
  return code === 'config.invalid' || code === 'cli.usage'
}
