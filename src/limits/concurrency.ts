import { type CounterMemory, VALUE } from './counter-memory.ts'
import type { CounterPlace } from './counter-table.ts'
import type { Ledger } from './ledger.ts'
import { REFUSED, STALE, TAKEN } from './rates.ts'

export const LEDGER_FULL = 4

/** A place in the ledger, for the giving back. */
export interface Held {
  ledgerPlace: number
}

/** One more call at once, if that makes no more than `limit`. */
export function takeConcurrency(
  { words }: CounterMemory,
  ledger: Ledger,
  { slot, generation }: CounterPlace,
  limit: number,
  held: Held,
): typeof TAKEN | typeof STALE | typeof REFUSED | typeof LEDGER_FULL {
  const ledgerPlace = ledger.note(slot, generation, 1)
  if (ledgerPlace === -1) return LEDGER_FULL
  for (;;) {
    words.read(slot + VALUE)
    const outcome = words.generation !== generation ? STALE : words.value >= limit ? REFUSED : TAKEN
    if (outcome === TAKEN && !words.swap(slot + VALUE, words.value + 1)) continue
    if (outcome === TAKEN) held.ledgerPlace = ledgerPlace
    else ledger.erase(ledgerPlace)
    return outcome
  }
}

export function releaseConcurrency(
  { words }: CounterMemory,
  ledger: Ledger,
  { slot, generation }: CounterPlace,
  held: Held,
): void {
  words.add(slot + VALUE, generation, -1)
  ledger.erase(held.ledgerPlace)
}
