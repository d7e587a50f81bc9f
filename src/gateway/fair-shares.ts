/** What a call costs a worker, in µs of its CPU, roughly: enough to compare projects (bench/results.md). */
const MICROS_A_CALL = 100
const MICROS_A_KIB = 5

/** Time over which what a project spends is forgotten, ms. */
const MEMORY_MS = 1000
/** How fast the sum that may be spent shrinks while the delay stands, and grows afterwards, at each sample. */
const SHRINK = 0.8
const GROW = 1.01
/** However overloaded, this much of a second is for calls, in µs: refusing all would serve nobody. */
const MIN_CAPACITY = 100_000
/** Projects counted apart; further ones share one count. */
const MAX_PROJECTS = 1024

/**
 * Divides what a worker can do among the projects that ask for it: while it is overloaded, who stays within a fair share
 * is served as if alone, and what is refused is refused to those that ask for more (max-min fairness).
 */
export class FairShares {
  /** µs of the last second, by project. */
  readonly #spent = new Map<string, number>()
  /** What all projects together may spend in a second, and what one may, µs; infinite = the worker is not overloaded. */
  #capacity = Number.POSITIVE_INFINITY
  #share = Number.POSITIVE_INFINITY

  admits(project: string): boolean {
    return this.#share === Number.POSITIVE_INFINITY || (this.#spent.get(this.#keyOf(project)) ?? 0) <= this.#share
  }

  /** `calls` began, or `bytes` of one passed. */
  charge(project: string, calls: number, bytes: number): void {
    const key = this.#keyOf(project)
    const cost = calls * MICROS_A_CALL + (bytes / 1024) * MICROS_A_KIB
    this.#spent.set(key, (this.#spent.get(key) ?? 0) + cost)
  }

  /** Once a sample: forgets, and finds the share anew. */
  adjust(overloaded: boolean, elapsedMs: number): void {
    const kept = Math.exp(-elapsedMs / MEMORY_MS)
    let total = 0
    for (const [project, spent] of this.#spent) {
      const left = spent * kept
      total += left
      if (left < 1) this.#spent.delete(project)
      else this.#spent.set(project, left)
    }
    if (overloaded) this.#capacity = Math.max(MIN_CAPACITY, Math.min(this.#capacity, total) * SHRINK)
    else if (this.#capacity > 2 * total) this.#capacity = Number.POSITIVE_INFINITY
    else this.#capacity *= GROW
    this.#share = shareOf([...this.#spent.values()], this.#capacity)
  }

  #keyOf(project: string): string {
    return this.#spent.has(project) || this.#spent.size < MAX_PROJECTS ? project : '*'
  }
}

/** The level up to which all can be served: those below it get what they ask for, those above it the same. */
function shareOf(spent: number[], capacity: number): number {
  if (capacity === Number.POSITIVE_INFINITY) return capacity
  spent.sort((a, b) => a - b)
  let left = capacity
  for (const [i, each] of spent.entries()) {
    const share = left / (spent.length - i)
    if (each > share) return share
    left -= each
  }
  return (spent.at(-1) ?? 0) + left
}
