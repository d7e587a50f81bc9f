import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isLoopback } from './addresses.ts'
import { addBuiltIns } from './built-in.ts'
import { complete, isObject, type SecretReference } from './complete.ts'
import { Faults } from './faults.ts'
import { parseYaml } from './parse.ts'
import { isPending, type Pending } from './pending.ts'
import { readPolicyFiles } from './policy-files.ts'
import { checkRules, type Draft } from './rules.ts'
import { type Config, configSchema } from './schema.ts'
import { resolveSecrets, type SecretValues } from './secrets.ts'
import { showFile } from './show-file.ts'
import { applyVariables, type Environment, refuseUnknownVariables } from './variables.ts'

export interface LoadedConfig {
  /** Complete, checked and deeply frozen; holds references to secrets, never their values. */
  readonly config: Config
  readonly secrets: SecretValues
  /** References whose values are not in `secrets` until `resolvePending` has found them. */
  readonly pending: Pending
  /** Absolute path of the file; null = there is none, everything is default or variable. */
  readonly file: string | null
}

/**
 * Reads `file`, else the one that `OSTIARY_CONFIG` names, else `./ostiary.yaml` if it exists, and applies the variables.
 * Throws `Problem('config.invalid')` whose detail has one line for each thing that is wrong.
 */
export function loadConfig({
  env,
  file,
  withSecrets = true,
}: {
  readonly env: Environment
  readonly file?: string | undefined
  /** False where nobody needs them: then a secret that this environment lacks is no fault. */
  readonly withSecrets?: boolean
}): LoadedConfig {
  const named = file ?? env.OSTIARY_CONFIG
  const path = resolve(named ?? 'ostiary.yaml')
  const faults = new Faults(showFile(path))
  const text = readConfigFile(path, named !== undefined, faults)
  const parsed = text === undefined ? {} : (parseYaml(text, faults) ?? {})
  faults.throwIfAny()
  if (!isObject(parsed)) faults.add([], 'must be a mapping of members')
  const tree: Record<string, unknown> = isObject(parsed) ? parsed : {}

  // Twice, because the first round says whether there is a sandbox, whose members the second may then change.
  const done = new Set<string>()
  applyVariables(tree, env, faults, done)
  const passthrough = addBuiltIns(tree, env, faults)
  applyVariables(tree, env, faults, done)

  const references: SecretReference[] = []
  const draft = complete(configSchema, tree, [], faults, references) as Draft
  const referenced = references.filter(({ text }) => text.startsWith('env:')).map(({ text }) => text.slice(4))
  refuseUnknownVariables(tree, env, new Set(referenced), faults)
  checkRules(draft, isObject(tree.providers) ? Object.keys(tree.providers) : [], passthrough.length > 0, faults)
  const [pending = [], here = []] = [true, false].map(late => references.filter(({ text }) => isPending(text) === late))
  const policySources = readPolicyFiles(dirname(path), draft.policies?.directory, faults)
  const secrets = resolveSecrets(withSecrets ? here : [], env, dirname(path), faults)
  faults.throwIfAny()
  return {
    config: freeze({ ...derive(draft as Config, passthrough, dirname(path)), policySources }),
    secrets,
    pending: { references: pending, faults },
    file: text === undefined ? null : path,
  }
}

function readConfigFile(path: string, named: boolean, faults: Faults): string | undefined {
  try {
    // Fatal, because a replaced character would be another text than the one that was reviewed.
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' && !named) return undefined
    faults.add([], code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is not UTF-8' : `cannot be read (${code})`)
    return undefined
  }
}

/** Fills in the defaults that follow from other members, and brings URLs to one form, no slash at the end, and paths below `folder`. */
function derive(config: Config, passthrough: Config['passthrough'], folder: string): Config {
  const listener = <L extends Config['listeners']['admin']>(given: L): L => {
    const host = given.host.includes(':') ? `[${given.host}]` : given.host
    return { ...given, url: new URL(given.url ?? `http://${host}:${given.port}`).origin }
  }
  const providers = Object.entries(config.providers).map(([name, provider]) => {
    if (provider.format === 'sandbox') return [name, provider] as const
    const baseUrl = new URL(provider.baseUrl).href.replace(/\/+$/, '')
    const allowPrivateNetwork = provider.allowPrivateNetwork ?? isLoopback(baseUrl)
    const derived = { ...provider, baseUrl, allowPrivateNetwork }
    if (derived.format !== 'openai') return [name, derived] as const
    const maxTokensMember = derived.maxTokensMember ?? (isOpenai(baseUrl) ? 'max_completion_tokens' : 'max_tokens')
    return [name, { ...derived, maxTokensMember }] as const
  })
  const services = Object.entries(config.services).map(([name, service]) => {
    if (service.url === undefined) return [name, service] as const
    const url = new URL(service.url).href.replace(/\/+$/, '')
    return [name, { ...service, url, allowPrivateNetwork: service.allowPrivateNetwork ?? isLoopback(url) }] as const
  })
  const issuers = Object.entries(config.issuers).map(([name, issuer]) => {
    if (issuer.jwksFile === undefined) return [name, issuer] as const
    return [name, { ...issuer, jwksFile: resolve(folder, issuer.jwksFile) }] as const
  })
  return {
    ...config,
    issuers: Object.fromEntries(issuers),
    listeners: { public: listener(config.listeners.public), admin: listener(config.listeners.admin) },
    providers: Object.fromEntries(providers),
    services: Object.fromEntries(services),
    passthrough,
  }
}

/** Many servers speak an older OpenAI: only its own are sure to know the newer names. */
function isOpenai(baseUrl: string): boolean {
  return /(?:^|\.)(?:openai\.com|openai\.azure\.com)$/.test(new URL(baseUrl).hostname)
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) freeze(member)
    Object.freeze(value)
  }
  return value
}
