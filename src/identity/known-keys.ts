import type { KeySchedule } from './key-schedule.ts'
import { type KeySet, renderKeySet } from './key-set.ts'

/** What a worker knows of the keys. */
export interface KnownIdentityKeys {
  current(): KeySchedule
  /** As services fetch them. */
  keySet(): KeySet
  learn(keys: KeySchedule): void
}

export function knowIdentityKeys(initial: KeySchedule): KnownIdentityKeys {
  let keys = initial
  let keySet = renderKeySet(initial)
  return {
    current: () => keys,
    keySet: () => keySet,
    learn(next) {
      keys = next
      keySet = renderKeySet(next)
    },
  }
}
