import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { parse as parseYaml } from 'yaml'
import { checkKeyFiles } from '#check-key-files.ts'
import { checkPolicies } from '#check-policies.ts'
import { checkPrices } from '#check-prices.ts'
import { type LoadedConfig, loadConfig } from '#config/load.ts'
import { resolvePending } from '#config/pending.ts'
import { showConfig } from '#config/redact.ts'
import { makeJsonSchema } from '#config/reference.ts'
import { Problem } from '#core/problems.ts'
import { findDataDirectory, makeDataDirectory, openDataDirectory } from '#secrets/data-directory.ts'
import { findSealed } from '#secrets/find.ts'
import { KEK_VARIABLE, openKeyRing } from '#secrets/key-ring.ts'
import { sealReference } from '#secrets/sealed-reference.ts'
import { lockDirectory } from '#store/sqlite/directory-lock.ts'
import { callOperation } from './admin-client.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { helpFor } from './help.ts'
import { readSecretInput } from './secret-input.ts'
import { tableOptions } from './table-options.ts'

/** `ostiary config …`. Resolves to the exit code: 0 done, 1 refused, 2 wrong usage or configuration. */
export async function configCommand(args: string[], io: Io): Promise<number> {
  const { env, stdout, stderr } = io
  const usage = parseUsage(args)
  if (usage === 'wrong') {
    stderr.write(helpFor('config'))
    return 2
  }
  if (usage.command === 'reload' && usage.file !== undefined) {
    stderr.write('reload takes no --config: the running gateway reads the file that it was started with.\n')
    return 2
  }
  if (usage.command === 'reload') return reload(io, usage.json)
  if (usage.command === 'encrypt' && usage.file !== undefined) {
    stderr.write('encrypt takes no --config: it needs the data directory alone.\n')
    return 2
  }
  if (usage.command === 'encrypt') return encrypt(io, usage.json)
  try {
    stdout.write(await run(usage.command, usage.json, env, () => loadPriced(env, usage.file)))
    return 0
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    stderr.write(`${error.detail ?? error.title}\n`)
    return 2
  }
}

const { commands } = commandTable.config
type Command = keyof typeof commands

async function reload(io: Io, json: boolean): Promise<number> {
  const answer = await callOperation(io, 'configReload', {})
  const changes = answer.changes.length === 0 ? 'nothing changed' : answer.changes.join('\n')
  io.stdout.write(json ? print(answer) : `Generation ${answer.generation} is in effect.\n${changes}\n`)
  return 0
}

/** Under the key of the data directory, which is made where there is none yet: the database's URL may need it first. */
async function encrypt(io: Io, json: boolean): Promise<number> {
  const value = await readSecretInput(io)
  const folder = findDataDirectory(io.env)
  if (io.env[KEK_VARIABLE] === undefined && !existsSync(join(folder, 'key-encryption-key'))) {
    makeDataDirectory(folder)
    using _lock = lockDirectory(folder)
    openDataDirectory(folder)
  }
  const reference = await sealReference(openKeyRing(folder, io.env), value)
  io.stdout.write(json ? print({ reference }) : `${reference}\n`)
  return 0
}

/** The configuration, whose budgets in money have prices to count with and whose policies can apply. */
function loadPriced(env: Io['env'], file: string | undefined): LoadedConfig {
  const loaded = loadConfig({ env, file })
  checkPrices(loaded.config)
  checkPolicies(loaded)
  checkKeyFiles(loaded.config)
  return loaded
}

async function run(
  command: Exclude<Command, 'reload' | 'encrypt'>,
  json: boolean,
  env: Io['env'],
  load: () => LoadedConfig,
): Promise<string> {
  switch (command) {
    case 'check': {
      const loaded = load()
      const isSealed = loaded.pending.references.some(({ text }) => text.startsWith('enc:'))
      if (!isSealed) return summarise(loaded, json)
      const keys = openKeyRing(findDataDirectory(env), env)
      return summarise(await resolvePending(loaded, 'enc', findSealed(keys)), json)
    }
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
): 'wrong' | { readonly command: Command; readonly file: string | undefined; readonly json: boolean } {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: tableOptions,
    })
    const [command = '', ...more] = positionals
    if (!Object.hasOwn(commands, command) || more.length > 0) return 'wrong'
    return { command: command as Command, file: values.config, json: values.json ?? false }
  } catch {
    return 'wrong'
  }
}

function summarise({ config, file, pending }: LoadedConfig, json: boolean): string {
  const stored = pending.references.map(({ text }) => text).filter(text => text.startsWith('secret:'))
  const unchecked = [...new Set(stored)]
  const source = file === null ? null : relative(process.cwd(), file)
  const providers = Object.keys(config.providers)
  const issuers = Object.keys(config.issuers)
  const models = Object.keys(config.models).length
  if (json) return print({ ok: true, file: source, store: config.store.kind, providers, issuers, models, unchecked })
  const shown = source ?? 'no file, built-in configuration'
  const later = unchecked.length === 0 ? '' : `looked up when it is applied: ${unchecked.join(', ')}\n`
  const parts = [
    shown,
    `store ${config.store.kind}`,
    `providers ${providers.join(', ') || 'none'}`,
    ...(issuers.length === 0 ? [] : [`issuers ${issuers.join(', ')}`]),
    `${models} model ${models === 1 ? 'name' : 'names'}`,
  ]
  return `ok\n${parts.join('; ')}\n${later}`
}
