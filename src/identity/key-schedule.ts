import { generateSigningKey, type SigningKey } from './signing-key.ts'

/** A key is published for this long before it signs: whoever keeps the key set for no longer knows it by then. */
export const PUBLISHED_AHEAD_MS = 24 * 3_600_000
/** Clocks of services may differ by this much. */
const SKEW_MS = 60_000

/** Keys at one time, in the order in which they sign. */
export type KeySchedule = readonly SigningKey[]

export interface ScheduleRules {
  /** How long a key signs. */
  readonly rotateAfterMs: number
  /** How long a token is good. */
  readonly tokenLifetimeMs: number
}

/**
 * The schedule as it is to be now: a first key signs at once, a next one is published a day before the current one has signed
 * for long enough, and one that signs no more goes once its last token has ended. The same object where nothing changes.
 */
export function advanceSchedule(keys: KeySchedule, rules: ScheduleRules, now: number): KeySchedule {
  const newest = keys.at(-1)
  if (newest === undefined) return [generateSigningKey(now, now)]
  const kept = keys.filter((_, i) => {
    const next = keys[i + 1]
    return next === undefined || now < next.activeAt + rules.tokenLifetimeMs + SKEW_MS
  })
  const endsAt = newest.activeAt + rules.rotateAfterMs
  if (newest.activeAt <= now && now >= endsAt - PUBLISHED_AHEAD_MS) {
    return [...kept, generateSigningKey(now, Math.max(now + PUBLISHED_AHEAD_MS, endsAt))]
  }
  return kept.length === keys.length ? keys : kept
}

/** With a key more, which signs a day from now; null = one that is yet to sign is there already. */
export function publishNext(keys: KeySchedule, now: number): KeySchedule | null {
  const newest = keys.at(-1)
  if (newest !== undefined && newest.activeAt > now) return null
  return [...keys, generateSigningKey(now, now + PUBLISHED_AHEAD_MS)]
}

/** One new key, which signs at once, and none of those before: what these signed is good nowhere once services ask anew. */
export function replaceAll(now: number): KeySchedule {
  return [generateSigningKey(now, now)]
}
