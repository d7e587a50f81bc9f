import { dirname, join, resolve } from 'node:path'
import { type LoadedConfig, loadConfig } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import { Problem } from '#core/problems.ts'
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
  const chosen = policies === undefined ? {} : { [VARIABLE]: resolve(policies) }
  const loaded = naming(policies, () => loadConfig({ env: { ...env, ...chosen }, file, withSecrets: false }))
  return { config: loaded.config, open: openPolicies(loaded), testFolder: join(folderOf(loaded), 'tests') }
}

const VARIABLE = 'OSTIARY_POLICIES_DIRECTORY'

/** Speaks of the option, where it was that and no variable that the folder was named by. */
function naming<T>(policies: string | undefined, load: () => T): T {
  try {
    return load()
  } catch (error) {
    if (!(error instanceof Problem) || policies === undefined) throw error
    const detail = error.detail?.replaceAll(`${VARIABLE}: policies.directory:`, `--policies ${policies}:`)
    throw new Problem(error.code, { ...(detail !== undefined && { detail }), cause: error })
  }
}

function folderOf({ config, file }: LoadedConfig): string {
  return resolve(file === null ? '.' : dirname(file), config.policies.directory ?? 'policies')
}
