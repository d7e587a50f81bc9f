import { relative } from 'node:path'
import { parseArgs } from 'node:util'
import { parse as parseYaml } from 'yaml'
import { type LoadedConfig, loadConfig } from '#config/load.ts'
import { showConfig } from '#config/redact.ts'
import { makeJsonSchema } from '#config/reference.ts'
import { Problem } from '#core/problems.ts'
import { callOperation } from './admin-client.ts'
import type { Io } from './command.ts'
import { helpFor } from './help.ts'

/** `ostiary config …`. Resolves to the exit code: 0 done, 1 refused, 2 wrong usage or configuration. */
export async function configCommand(args: string[], { env, stdout, stderr }: Io): Promise<number> {
  const usage = parseUsage(args)
  if (usage === 'help') {
    stdout.write(helpFor('config'))
    return 0
  }
  if (usage === 'wrong') {
    stderr.write(helpFor('config'))
    return 2
  }
  if (usage.command === 'reload' && usage.file !== undefined) {
    stderr.write('reload takes no --config: the running gateway reads the file that it was started with.\n')
    return 2
  }
  if (usage.command === 'reload') return reload({ env, stdout, stderr }, usage.json)
  try {
    stdout.write(run(usage.command, usage.json, () => loadConfig({ env, file: usage.file })))
    return 0
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    stderr.write(`${error.detail ?? error.title}\n`)
    return 2
  }
}

const commands = ['check', 'show', 'schema', 'reload'] as const
type Command = (typeof commands)[number]

async function reload(io: Io, json: boolean): Promise<number> {
  const answer = await callOperation(io, 'configReload', {})
  const changes = answer.changes.length === 0 ? 'nothing changed' : answer.changes.join('\n')
  io.stdout.write(json ? print(answer) : `Generation ${answer.generation} is in effect.\n${changes}\n`)
  return 0
}

function run(command: Exclude<Command, 'reload'>, json: boolean, load: () => LoadedConfig): string {
  switch (command) {
    case 'check':
      return summarise(load(), json)
    case 'show': {
      const shown = showConfig(load().config)
      return json ? print(parseYaml(shown)) : shown
    }
    case 'schema':
      return print(makeJsonSchema())
  }
}

function print(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

function parseUsage(
  args: string[],
): 'help' | 'wrong' | { readonly command: Command; readonly file: string | undefined; readonly json: boolean } {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { config: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    })
    if (values.help) return 'help'
    const command = commands.find(name => name === positionals[0])
    return command === undefined || positionals.length > 1
      ? 'wrong'
      : { command, file: values.config, json: values.json ?? false }
  } catch {
    return 'wrong'
  }
}

function summarise({ config, file }: LoadedConfig, json: boolean): string {
  const source = file === null ? null : relative(process.cwd(), file)
  const providers = Object.keys(config.providers)
  const models = Object.keys(config.models).length
  if (json) return print({ ok: true, file: source, store: config.store.kind, providers, models })
  const shown = source ?? 'no file, built-in configuration'
  return `ok\n${shown}; store ${config.store.kind}; providers ${providers.join(', ') || 'none'}; ${models} model ${models === 1 ? 'name' : 'names'}\n`
}
