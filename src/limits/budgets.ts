import { type Held, LEDGER_FULL } from './concurrency.ts'
import { type CounterMemory, LOADED, REPORTED, SECOND, STATE, USED_AT, VALUE } from './counter-memory.ts'
import type { CounterPlace } from './counter-table.ts'
import type { Ledger } from './ledger.ts'
import { NEEDS_SLICE, type Outcome, REFUSED, STALE, TAKEN } from './rates.ts'

const MILLION = 1_000_000

/**
 * Reserves of a budget, never beyond it nor beyond what the store knows to be in use. The first word counts what is spent
 * and reserved, the second what is spent; a reservation is noted before it is made.
 */
export function takeBudget(
  memory: CounterMemory,
  ledger: Ledger,
  { slot, generation }: CounterPlace,
  amount: number,
  budget: number,
  now: number,
  held: Held,
): Outcome | typeof LEDGER_FULL {
  const { words, i32 } = memory
  const ledgerPlace = ledger.note(slot, generation, amount)
  if (ledgerPlace === -1) return LEDGER_FULL
  for (;;) {
    // The word before the state: closing says so first and then ends the generation.
    words.read(slot + VALUE)
    let outcome: Outcome = TAKEN
    if (words.generation !== generation) outcome = STALE
    else if (Atomics.load(i32, slot + STATE) !== LOADED) outcome = NEEDS_SLICE
    else if (words.value + amount > budget) outcome = REFUSED
    else if (words.value + amount > memory.high(slot)) outcome = NEEDS_SLICE
    if (outcome === TAKEN && !words.swap(slot + VALUE, words.value + amount)) continue
    if (outcome === TAKEN) {
      memory.f64[(slot + USED_AT) >>> 1] = now
      held.ledgerPlace = ledgerPlace
    } else ledger.erase(ledgerPlace)
    return outcome
  }
}

/**
 * Turns a reservation into what was spent. What is spent and reserved never falls below what is spent and what others
 * have reserved: more is added before, and less is taken off after. Whoever dies in between has spent all he reserved.
 */
export function settleBudget(
  { words, f64 }: CounterMemory,
  ledger: Ledger,
  { slot, generation }: CounterPlace,
  reserved: number,
  spent: number,
  now: number,
  held: Held,
): void {
  // Keeps it from being retired while its thresholds are looked at.
  f64[(slot + USED_AT) >>> 1] = now
  if (spent > reserved) words.add(slot + VALUE, generation, spent - reserved)
  if (spent > 0) words.add(slot + SECOND, generation, spent)
  if (spent < reserved) words.add(slot + VALUE, generation, spent - reserved)
  ledger.erase(held.ledgerPlace)
}

/** Spent and reserved. */
export function budgetCommitted({ words }: CounterMemory, { slot, generation }: CounterPlace): number {
  words.read(slot + VALUE)
  return words.generation === generation ? words.value : 0
}

export function budgetSpent({ words }: CounterMemory, { slot, generation }: CounterPlace): number {
  words.read(slot + SECOND)
  return words.generation === generation ? words.value : 0
}

/** The shares of `alertAt` that have been reached and that nobody has reported yet: they are the caller's to report. */
export function claimThresholds(
  memory: CounterMemory,
  place: CounterPlace,
  alertAt: readonly number[],
  spent: number,
  budget: number,
): readonly number[] {
  const reached = reachedThreshold(alertAt, spent, budget)
  for (;;) {
    const reported = Atomics.load(memory.i32, place.slot + REPORTED)
    if (reached <= reported) return []
    if (Atomics.compareExchange(memory.i32, place.slot + REPORTED, reported, reached) !== reported) continue
    return alertAt.filter(fraction => millionths(fraction) > reported && millionths(fraction) <= reached)
  }
}

/** The highest share reached, in millionths; 0 = none. */
export function reachedThreshold(alertAt: readonly number[], spent: number, budget: number): number {
  let reached = 0
  for (const fraction of alertAt) {
    if (spent >= fraction * budget) reached = Math.max(reached, millionths(fraction))
  }
  return reached
}

function millionths(fraction: number): number {
  return Math.round(fraction * MILLION)
}
