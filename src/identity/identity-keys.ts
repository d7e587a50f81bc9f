import type { Clock } from '#core/clock.ts'
import { Problem } from '#core/problems.ts'
import { advanceSchedule, type KeySchedule, publishNext, replaceAll, type ScheduleRules } from './key-schedule.ts'
import { type SigningKey, signerAt } from './signing-key.ts'
import { readStoredKeys, writeStoredKeys } from './stored-keys.ts'

/** Where the keys are kept: written whole or not at all. */
export interface KeyFile {
  /** null = there is none yet. */
  read(): string | null
  write(text: string): void
}

/** `waiting` = published, yet to sign; `retired` = signs no more, its last tokens may still be good. */
export type KeyState = 'waiting' | 'signing' | 'retired'

export interface ListedKey extends Pick<SigningKey, 'id' | 'publishedAt' | 'activeAt'> {
  readonly state: KeyState
}

/** What a change did, by the ids of keys. */
export interface KeysChanged {
  readonly published: readonly SigningKey[]
  readonly withdrawn: readonly string[]
}

/** The gateway’s own keys for identity tokens, as the one process that may change them has them. */
export interface IdentityKeys {
  current(): KeySchedule
  list(): readonly ListedKey[]
  /** Does what time asks for; null = nothing. */
  advance(): KeysChanged | null
  /**
   * Publishes a key that signs a day from now. With `immediately` it signs at once, and all others are withdrawn.
   * Throws `key.rotation_pending`.
   */
  rotate(immediately: boolean): KeysChanged
}

interface IdentityKeyOptions {
  readonly file: KeyFile
  readonly rules: () => ScheduleRules
  readonly clock: Clock
  /** Told after what changed was written. */
  readonly onChange: (keys: KeySchedule) => void
}

/** Makes the first key where there is none. Throws what reading and writing the file do. */
export function openIdentityKeys({ file, rules, clock, onChange }: IdentityKeyOptions): IdentityKeys {
  const text = file.read()
  let keys: KeySchedule = text === null ? [] : readStoredKeys(text)

  const change = (next: KeySchedule): KeysChanged => {
    // First the file: a key that services were told of is never lost.
    file.write(writeStoredKeys(next))
    const before = keys
    keys = next
    onChange(keys)
    return {
      published: next.filter(({ id }) => !before.some(key => key.id === id)),
      withdrawn: before.filter(({ id }) => !next.some(key => key.id === id)).map(({ id }) => id),
    }
  }
  if (text === null) change(advanceSchedule(keys, rules(), clock()))

  return {
    current: () => keys,
    list() {
      const signer = signerAt(keys, clock())
      const signs = keys.indexOf(signer)
      return keys.map(({ id, publishedAt, activeAt }, i) => {
        const state = i === signs ? 'signing' : i < signs ? 'retired' : 'waiting'
        return { id, publishedAt, activeAt, state }
      })
    },
    advance() {
      const next = advanceSchedule(keys, rules(), clock())
      return next === keys ? null : change(next)
    },
    rotate(immediately) {
      const next = immediately ? replaceAll(clock()) : publishNext(keys, clock())
      if (next === null) throw new Problem('key.rotation_pending')
      return change(next)
    },
  }
}
