import {
  type CounterMemory,
  DURABLE_RATE,
  KIND,
  LIFE,
  LOADED,
  SECOND,
  STATE,
  USED_AT,
  VALUE,
} from './counter-memory.ts'
import type { CounterPlace } from './counter-table.ts'
import { MAX_VALUE } from './shared-word.ts'

/** How an attempt to commit ended. */
export const TAKEN = 0
/** The slot has gone to another counter: find it anew. */
export const STALE = 1
export const REFUSED = 2
/** What was taken in the store does not suffice. */
export const NEEDS_SLICE = 3
export type Outcome = typeof TAKEN | typeof STALE | typeof REFUSED | typeof NEEDS_SLICE

/** What was charged, for its undoing. */
export interface RateCharge {
  /** Theoretical arrival time after it. */
  until: number
  /** How much had been undone on this counter before it. */
  undone: number
}

/**
 * GCRA (ATM Forum TM 4.0 §4.4.2, the virtual scheduling algorithm): a charge of `cost` µs moves the theoretical arrival
 * time, which may be at most `window` µs ahead. In any span Δ at most (window + Δ) µs are charged.
 */
export function takeRate(
  memory: CounterMemory,
  { slot, generation }: CounterPlace,
  now: number,
  cost: number,
  window: number,
  charge: RateCharge,
): Outcome {
  if (cost > window) return REFUSED
  const { words, i32, f64 } = memory
  const durable = i32[slot + KIND] === DURABLE_RATE
  // Before the charge: an undoing in between counts as one after it.
  words.read(slot + SECOND)
  const undone = words.value
  for (;;) {
    words.read(slot + VALUE)
    if (words.generation !== generation) return STALE
    if (durable && Atomics.load(i32, slot + STATE) !== LOADED) return NEEDS_SLICE
    const until = Math.max(words.value, now) + cost
    if (until > now + window) return REFUSED
    if (durable && until > memory.high(slot)) return NEEDS_SLICE
    if (words.swap(slot + VALUE, until)) {
      if (durable) f64[(slot + USED_AT) >>> 1] = now
      charge.until = until
      charge.undone = undone
      return TAKEN
    }
  }
}

/** µs until a charge would be taken; 0 = it would now. */
export function rateWait(
  memory: CounterMemory,
  place: CounterPlace,
  now: number,
  cost: number,
  window: number,
): number {
  return Math.max(0, rateLevel(memory, place, now) + cost - window)
}

/** µs charged that time has not yet given back. */
export function rateLevel({ words }: CounterMemory, { slot, generation }: CounterPlace, now: number): number {
  words.read(slot + VALUE)
  return words.generation === generation ? Math.max(0, words.value - now) : 0
}

/** Charges without asking: what a call used beyond its estimate is owed by those that follow. False = the place is stale. */
export function chargeRate({ words, i32 }: CounterMemory, place: CounterPlace, now: number, cost: number): boolean {
  const at = place.slot + VALUE
  for (;;) {
    words.read(at)
    if (words.generation !== place.generation || i32[place.slot + LIFE] !== place.life) return false
    if (words.swap(at, Math.min(Math.max(words.value, now) + cost, MAX_VALUE))) return true
  }
}

/**
 * Gives back `cost` µs of a charge, at most what time has not given back by itself: charges stand in a queue, and of one
 * whose turn has partly passed only the rest can be taken out. Charges behind it move up by what is taken out, so its own
 * end is earlier by all that was undone since; later ones among that make it too early, which gives back less, never more.
 */
export function undoRate(
  memory: CounterMemory,
  place: CounterPlace,
  charge: RateCharge,
  now: number,
  cost: number,
): void {
  const { words, i32 } = memory
  const { slot, generation } = place
  if (i32[slot + LIFE] !== place.life) return
  for (;;) {
    words.read(slot + SECOND)
    if (words.generation !== generation) return
    const back = Math.min(cost, charge.until - (words.value - charge.undone) - now)
    if (back <= 0) return
    // First what makes others give back less, then the giving back: dying in between gives nothing away.
    if (!words.swap(slot + SECOND, Math.min(words.value + back, MAX_VALUE))) continue
    words.add(slot + VALUE, generation, -back)
    return
  }
}
