/** Questions to one endpoint that are under way at once, and those that wait for their turn. */
export const MAX_AT_ONCE = 32
export const MAX_WAITING = 256

interface Waiting {
  readonly source: string
  readonly begin: () => void
  readonly giveUp: () => void
}

/**
 * Bounds what an endpoint is asked at once. Who waits longest is next, of a source with the fewest questions under way, and
 * where too many wait the source with the most loses one: who asks much does not keep others waiting.
 */
export class QuestionTurns {
  readonly #running = new Map<string, number>()
  readonly #waiting: Waiting[] = []
  #count = 0

  /** The answer to `ask`, in its turn; null where too many wait, or the turn has not come within `waitMs`. */
  take<T>(source: string, waitMs: number, ask: () => Promise<T>): Promise<T | null> {
    if (this.#count < MAX_AT_ONCE) return this.#run(source, ask)
    if (this.#waiting.length >= MAX_WAITING && !this.#makeRoom(source)) return Promise.resolve(null)
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(late)
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
      }
      const waiting: Waiting = {
        source,
        begin() {
          leave()
          run(source, ask).then(resolve, reject)
        },
        giveUp() {
          leave()
          resolve(null)
        },
      }
      const run = this.#run.bind(this)<T>
      const late = setTimeout(waiting.giveUp, waitMs)
      this.#waiting.push(waiting)
    })
  }

  async #run<T>(source: string, ask: () => Promise<T>): Promise<T> {
    this.#count++
    this.#running.set(source, this.#runningOf(source) + 1)
    try {
      return await ask()
    } finally {
      this.#count--
      const left = this.#runningOf(source) - 1
      if (left === 0) this.#running.delete(source)
      else this.#running.set(source, left)
      this.#next()
    }
  }

  #runningOf(source: string): number {
    return this.#running.get(source) ?? 0
  }

  #next(): void {
    let next: Waiting | undefined
    for (const waiting of this.#waiting) {
      if (next === undefined || this.#runningOf(waiting.source) < this.#runningOf(next.source)) next = waiting
    }
    next?.begin()
  }

  /** Whether one that came last of the source with the most gave way to one of this source. */
  #makeRoom(source: string): boolean {
    const bySource = Map.groupBy(this.#waiting, waiting => waiting.source)
    const [most = []] = [...bySource.values()].sort((a, b) => b.length - a.length)
    if (most.length <= (bySource.get(source)?.length ?? 0) + 1) return false
    most.at(-1)?.giveUp()
    return true
  }
}
