import type { LoadedConfig } from '#config/load.ts'
import { systemClock } from '#core/clock.ts'
import { type BulkRevocation, createBulkRevocation } from '#keys/bulk-revocation.ts'
import { createKeyFormat } from '#keys/format.ts'
import { createKeys, type Keys, type KeysOptions } from '#keys/keys.ts'
import { createLeakReports, type LeakReports } from '#keys/leak-reports.ts'
import { createProjects, type Projects } from '#keys/projects.ts'
import { isServed } from '#policy/served-models.ts'
import type { DataDirectory } from '#secrets/data-directory.ts'
import type { Store } from '#store/ports.ts'

/** What keeps keys and projects. */
export interface KeyRooms {
  readonly keys: Keys
  readonly projects: Projects
  readonly bulk: BulkRevocation
  readonly leaks: LeakReports
}

/** Opens them; `names` are what keys may name in the configuration in effect. */
export function openKeys(
  config: LoadedConfig['config'],
  directory: DataDirectory,
  store: Store,
  names: Pick<KeysOptions, 'modelFault' | 'vocabulary'>,
): KeyRooms {
  const format = createKeyFormat(config.keys.prefix, directory.deploymentSecret)
  const { pepper, pepperId } = directory
  const keys = createKeys({
    format,
    pepper,
    pepperId,
    store: store.keys,
    projects: store.projects,
    clock: systemClock,
    ...names,
    defaultLifetimeDays: config.keys.defaultLifetimeDays,
    maxLifetimeDays: config.keys.maxLifetimeDays,
  })
  return {
    keys,
    projects: createProjects({ store: store.projects, clock: systemClock }),
    bulk: createBulkRevocation({ keys, store: store.keys, clock: systemClock }),
    leaks: createLeakReports({
      store: store.keys,
      format,
      pepper,
      clock: systemClock,
      action: config.keys.leakReports.action,
    }),
  }
}

/** What stands against a key's pattern of models; null = it fits a model that callers may name. */
export function unservedModel(pattern: string, { models, passthrough }: LoadedConfig['config']): string | null {
  const names = Object.keys(models)
  if (passthrough.length > 0 || isServed(pattern, names)) return null
  const shown = names.length > 10 ? [...names.slice(0, 10), `${names.length - 10} more`] : names
  return `fits no model that is configured; there are: ${shown.join(', ') || 'none'}`
}
