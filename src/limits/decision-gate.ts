import type { CounterMemory } from './counter-memory.ts'

const WAIT_MS = 20

/**
 * A worker is inside while it decides, a microsecond or so. Who must see every counter at rest pauses all: what a worker
 * that died left half done can be told from what the living do only then. Costs a decision two stores and one load.
 */
export class DecisionGate {
  readonly #memory: CounterMemory
  readonly #busy: number

  constructor(memory: CounterMemory, worker: number) {
    this.#memory = memory
    this.#busy = memory.busyAt(worker)
  }

  enter(): void {
    const { i32, pause } = this.#memory
    for (;;) {
      Atomics.store(i32, this.#busy, 1)
      // Sequentially consistent: either the pause is seen here, or whoever pauses sees this worker inside.
      if (Atomics.load(i32, pause) === 0) return
      Atomics.store(i32, this.#busy, 0)
      Atomics.wait(i32, pause, 1, WAIT_MS)
    }
  }

  leave(): void {
    Atomics.store(this.#memory.i32, this.#busy, 0)
  }
}

/** Runs work while no living worker is inside a decision. `isDead` is asked again and again: one may die meanwhile. */
export async function whilePaused(
  memory: CounterMemory,
  isDead: (worker: number) => boolean,
  work: () => void,
): Promise<void> {
  const { i32, pause } = memory
  Atomics.store(i32, pause, 1)
  try {
    for (let worker = 1; worker <= memory.workers; worker++) {
      // The event loop must turn here: it is what tells of deaths.
      while (!isDead(worker) && Atomics.load(i32, memory.busyAt(worker)) === 1) {
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    work()
  } finally {
    Atomics.store(i32, pause, 0)
    Atomics.notify(i32, pause)
  }
}
