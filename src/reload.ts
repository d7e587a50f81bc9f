import { compareConfigs, needsRestart } from '#config/changes.ts'
import type { LoadedConfig, loadConfig } from '#config/load.ts'
import type { GatewayEvent } from '#core/events.ts'
import { Problem } from '#core/problems.ts'
import type { GenerationSeed } from './worker.ts'

/** Applies the configuration as it is now, or throws `config.invalid` and changes nothing. */
export type Reload = (actor: string) => Promise<{ readonly generation: number; readonly changes: readonly string[] }>

interface ReloadOptions {
  /** What the process was started with. */
  readonly loaded: LoadedConfig
  readonly load: () => ReturnType<typeof loadConfig>
  /** Brings a generation to every worker or to none. */
  readonly apply: (generation: GenerationSeed) => Promise<void>
  readonly emit: (type: GatewayEvent['type'], detail: string) => Promise<void>
}

/** Reloads, one at a time in the order asked for. */
export function createReload(options: ReloadOptions): Reload {
  let current = options.loaded
  let number = 1
  let last: Promise<unknown> = Promise.resolve()

  const reload = async (actor: string) => {
    try {
      const next = options.load()
      const fixed = needsRestart(current, next)
      if (fixed.length > 0) {
        throw new Problem('config.invalid', { detail: `A restart is needed to change ${fixed.join(', ')}.` })
      }
      const changes = compareConfigs(current, next)
      await options.apply(seedOf(number + 1, next))
      current = next
      number++
      await options.emit('config.reloaded', `${actor}: ${changes.join('; ') || 'no change'}`)
      return { generation: number, changes }
    } catch (error) {
      await options.emit('config.reload_refused', `${actor}: ${(error as Error).message}`)
      throw error
    }
  }
  return actor => {
    const turn = last.then(() => reload(actor))
    last = turn.catch(() => {})
    return turn
  }
}

export function seedOf(number: number, { config, secrets }: LoadedConfig): GenerationSeed {
  return { number, config, secrets: secrets.toTransferable() }
}
