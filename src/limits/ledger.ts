import type { CounterMemory } from './counter-memory.ts'

/** Where the members of a hold are, from its beginning. A slot of 0 is no hold: what is noted is one more. */
const SLOT = 0
const GENERATION = 1
const AMOUNT = 2

/** What one worker holds of counters at rest only by being given back: calls at once, reserved budget. */
export class Ledger {
  readonly #memory: CounterMemory
  readonly #worker: number
  /** Places that are free, in a stack. */
  readonly #free: Int32Array
  #count: number

  constructor(memory: CounterMemory, worker: number) {
    this.#memory = memory
    this.#worker = worker
    this.#count = memory.holds
    this.#free = Int32Array.from({ length: memory.holds }, (_, i) => memory.holds - 1 - i)
  }

  /** Notes a hold before it is taken, so that no death leaves one that is not noted. Returns its place; -1 = full. */
  note(slot: number, generation: number, amount: number): number {
    if (this.#count === 0) return -1
    const place = this.#free[--this.#count] as number
    const at = this.#memory.holdAt(this.#worker, place)
    this.#memory.f64[(at + AMOUNT) >>> 1] = amount
    this.#memory.i32[at + GENERATION] = generation
    Atomics.store(this.#memory.i32, at + SLOT, slot + 1)
    return place
  }

  /** After it was given back. */
  erase(place: number): void {
    Atomics.store(this.#memory.i32, this.#memory.holdAt(this.#worker, place) + SLOT, 0)
    this.#free[this.#count++] = place
  }
}

/** Visits what a worker holds. */
export function eachHold(
  memory: CounterMemory,
  worker: number,
  visit: (slot: number, generation: number, amount: number) => void,
): void {
  for (let place = 0; place < memory.holds; place++) {
    const at = memory.holdAt(worker, place)
    const slot = Atomics.load(memory.i32, at + SLOT)
    if (slot === 0) continue
    visit(slot - 1, memory.i32[at + GENERATION] as number, memory.f64[(at + AMOUNT) >>> 1] as number)
  }
}

/** Empties the ledger of a worker that is no more. */
export function eraseHolds(memory: CounterMemory, worker: number): void {
  for (let place = 0; place < memory.holds; place++) Atomics.store(memory.i32, memory.holdAt(worker, place) + SLOT, 0)
}
