import { compareConfigs, needsRestart } from '#config/changes.ts'
import type { LoadedConfig } from '#config/load.ts'
import type { GatewayEvent } from '#core/events.ts'
import { Problem } from '#core/problems.ts'
import { findPolicyChanges } from './compile-policies.ts'
import type { GenerationSeed } from './worker.ts'

/** Applies the configuration as it is now, or throws `config.invalid` and changes nothing. */
export type Reload = (actor: string) => Promise<{ readonly generation: number; readonly changes: readonly string[] }>

interface ReloadOptions {
  /** What the process was started with. */
  readonly loaded: LoadedConfig
  /** The configuration as its file is now, with its secrets. */
  readonly load: () => Promise<LoadedConfig>
  /** The configuration in effect with the secrets as the vault has them now. */
  readonly refresh: (current: LoadedConfig) => Promise<LoadedConfig>
  /** Brings a generation to every worker or to none. */
  readonly apply: (generation: GenerationSeed) => Promise<void>
  /** The one in effect stays. */
  readonly onRefused: (actor: string, error: unknown) => void
  readonly emit: (type: GatewayEvent['type'], detail: string) => Promise<void>
}

/** The ways to a new generation, one at a time in the order asked for. */
export interface Reloads {
  /** From the file. */
  readonly reload: Reload
  /** From the configuration in effect: a file that is being edited is not read because a secret was set. */
  readonly refresh: Reload
  /** The configuration in effect. */
  current(): LoadedConfig
}

export function createReloads(options: ReloadOptions): Reloads {
  let current = options.loaded
  let number = 1
  let last: Promise<unknown> = Promise.resolve()

  const apply = async (actor: string, load: () => Promise<LoadedConfig>) => {
    try {
      const next = await load()
      const fixed = needsRestart(current, next)
      if (fixed.length > 0) {
        throw new Problem('config.invalid', { detail: `A restart is needed to change ${fixed.join(', ')}.` })
      }
      const changes = [...findPolicyChanges(current.config, next.config), ...compareConfigs(current, next)]
      await options.apply(seedOf(number + 1, next))
      current = next
      number++
      await options.emit('config.reloaded', `${actor}: ${changes.join('; ') || 'no change'}`)
      return { generation: number, changes }
    } catch (error) {
      options.onRefused(actor, error)
      await options.emit('config.reload_refused', `${actor}: ${(error as Error).message}`)
      throw error
    }
  }
  const inTurn = (actor: string, load: () => Promise<LoadedConfig>) => {
    const turn = last.then(() => apply(actor, load))
    last = turn.catch(() => {})
    return turn
  }
  return {
    reload: actor => inTurn(actor, options.load),
    refresh: actor => inTurn(actor, () => options.refresh(current)),
    current: () => current,
  }
}

export function seedOf(number: number, { config, secrets }: LoadedConfig): GenerationSeed {
  return { number, config, secrets: secrets.toTransferable() }
}
