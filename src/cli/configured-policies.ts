import { dirname, join, resolve } from 'node:path'
import { type LoadedConfig, loadConfig } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import { type OpenPolicies, openPolicies } from '#open-policies.ts'
import type { Io } from './command.ts'

/** What options of `ostiary policy …` choose. */
interface Choice {
  readonly config?: string | undefined
  /** Folder of policies instead of the configured one. */
  readonly policies?: string | undefined
}

export interface ConfiguredPolicies {
  readonly config: Config
  readonly open: OpenPolicies
  /** Where cases are looked for where none are named. */
  readonly testFolder: string
}

/** The policies of a configuration, without a gateway. Throws `config.invalid` for what a start would refuse of them. */
export function loadPolicies({ env }: Io, { config: file, policies }: Choice): ConfiguredPolicies {
  // As a variable, so that it is checked and found missing like the member itself.
  const chosen = policies === undefined ? {} : { OSTIARY_POLICIES_DIRECTORY: resolve(policies) }
  const loaded = loadConfig({ env: { ...env, ...chosen }, file, withSecrets: false })
  return { config: loaded.config, open: openPolicies(loaded.config), testFolder: join(folderOf(loaded), 'tests') }
}

function folderOf({ config, file }: LoadedConfig): string {
  return resolve(file === null ? '.' : dirname(file), config.policies.directory ?? 'policies')
}
