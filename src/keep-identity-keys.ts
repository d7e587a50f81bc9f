import type { Logger } from 'pino'
import type { IdentityKeyOperations } from '#admin/identity-key-operations.ts'
import type { Config } from '#config/schema.ts'
import { startChore } from '#core/chore.ts'
import type { Clock } from '#core/clock.ts'
import { Problem } from '#core/problems.ts'
import { type IdentityKeys, type KeysChanged, openIdentityKeys } from '#identity/identity-keys.ts'
import type { KeySchedule } from '#identity/key-schedule.ts'
import { openIdentityKeyFile } from '#secrets/identity-key-file.ts'

/** The keys of identity tokens: rotated by time and by operators, and each change on record. */
export interface IdentityKeyKeeping extends IdentityKeyOperations {
  current(): KeySchedule
  /** From now on `tell` is told of every change after it was written. */
  onChange(tell: (keys: KeySchedule) => void): void
  /** Begins to rotate by time. */
  start(): AsyncDisposable
}

interface Options {
  /** The data directory, locked by this process. */
  readonly folder: string
  /** In effect now. */
  readonly config: () => Pick<Config, 'identity'>
  readonly clock: Clock
  readonly log: Logger
  readonly emit: (detail: string) => Promise<void>
}

const LOOK_EVERY_MS = 60_000
const DAY_MS = 86_400_000

/** Makes the first key at the first start. Throws `start.data_directory_incomplete` where the file is damaged. */
export function keepIdentityKeys({ folder, config, clock, log, emit }: Options): IdentityKeyKeeping {
  const rules = () => {
    const { rotationDays, tokenLifetimeSeconds } = config().identity
    return { rotateAfterMs: rotationDays * DAY_MS, tokenLifetimeMs: tokenLifetimeSeconds * 1000 }
  }
  let tell: (keys: KeySchedule) => void = () => {}
  const keys = open({ file: openIdentityKeyFile(folder), rules, clock, onChange: changed => tell(changed) })
  return {
    current: keys.current,
    onChange(listener) {
      tell = listener
    },
    list: keys.list,
    async rotate(immediately, by) {
      await emit(`${by.id}: ${describe(keys.rotate(immediately))}`)
      return keys.list()
    },
    start: () =>
      startChore({
        everyMs: LOOK_EVERY_MS,
        async work() {
          const changed = keys.advance()
          if (changed !== null) await emit(`schedule: ${describe(changed)}`)
        },
        onTrouble: error =>
          log.error({ err: error }, 'the keys of identity tokens could not be rotated; it is tried again'),
      }),
  }
}

function open(options: Parameters<typeof openIdentityKeys>[0]): IdentityKeys {
  try {
    return openIdentityKeys(options)
  } catch (cause) {
    throw new Problem('start.data_directory_incomplete', { detail: `identity-keys ${(cause as Error).message}`, cause })
  }
}

function describe({ published, withdrawn }: KeysChanged): string {
  const said = published.map(({ id, activeAt }) => `${id} published, signs from ${new Date(activeAt).toISOString()}`)
  return [...said, ...withdrawn.map(id => `${id} withdrawn`)].join('; ')
}
