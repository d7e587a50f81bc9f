import { Problem } from '#core/problems.ts'

/** A call’s place among those that a service is asked by at once. */
export interface Place {
  /** Resolves when its turn has come; null = it has. Rejects with `limits.service_busy`. */
  readonly ready: Promise<void> | null
  /** Harmless twice, and while it waits. */
  leave(): void
}

interface PlacesOptions {
  /** Connections to the service. */
  readonly connections: number
  /** Longest wait for a turn, ms. */
  readonly waitMs: number
}

interface Waiting {
  readonly caller: string
  readonly go: () => void
}

/**
 * Divides the connections to a service among its callers, so that none can take them all: one has half of them at most. What is
 * beyond waits for its turn, twice as many calls as there are connections, and of one caller half of those.
 */
export class Places {
  readonly #connections: number
  readonly #share: number
  readonly #waitMs: number
  readonly #waiting = new Set<Waiting>()
  readonly #takenBy = new Map<string, number>()
  readonly #waitingOf = new Map<string, number>()
  #taken = 0

  constructor({ connections, waitMs }: PlacesOptions) {
    this.#connections = connections
    this.#share = Math.ceil(connections / 2)
    this.#waitMs = waitMs
  }

  /** Throws `limits.service_busy` where too many wait. `caller` is the id of the principal. */
  enter(caller: string): Place {
    if (!this.#hasRoom(caller)) return this.#wait(caller)
    this.#take(caller)
    return { ready: null, leave: once(() => this.#leave(caller)) }
  }

  #hasRoom(caller: string): boolean {
    return this.#taken < this.#connections && (this.#takenBy.get(caller) ?? 0) < this.#share
  }

  #take(caller: string): void {
    this.#taken++
    add(this.#takenBy, caller, 1)
  }

  #leave(caller: string): void {
    this.#taken--
    add(this.#takenBy, caller, -1)
    for (const waiting of this.#waiting) {
      if (!this.#hasRoom(waiting.caller)) continue
      waiting.go()
      return
    }
  }

  #wait(caller: string): Place {
    const isFull = this.#waiting.size >= 2 * this.#connections
    if (isFull || (this.#waitingOf.get(caller) ?? 0) >= this.#connections) throw busy('queue_full')
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // Who left hears of it elsewhere.
    promise.catch(() => {})
    let hasPlace = false
    const waiting: Waiting = {
      caller,
      go: () => {
        forget()
        hasPlace = true
        this.#take(caller)
        resolve()
      },
    }
    const forget = () => {
      clearTimeout(timer)
      if (this.#waiting.delete(waiting)) add(this.#waitingOf, caller, -1)
    }
    const giveUp = () => {
      forget()
      reject(busy('no_turn'))
    }
    const timer = setTimeout(giveUp, this.#waitMs)
    this.#waiting.add(waiting)
    add(this.#waitingOf, caller, 1)
    return { ready: promise, leave: once(() => (hasPlace ? this.#leave(caller) : giveUp())) }
  }
}

function add(counts: Map<string, number>, of: string, change: number): void {
  const count = (counts.get(of) ?? 0) + change
  if (count === 0) counts.delete(of)
  else counts.set(of, count)
}

function once(act: () => void): () => void {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    act()
  }
}

function busy(reason: string): Problem {
  return new Problem('limits.service_busy', { reason })
}
