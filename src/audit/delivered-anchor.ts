import type { Checkpoint } from '#core/checkpoint.ts'
import type { Anchor } from './checkpoints.ts'

/** Checkpoints that may wait; beyond, the oldest are given up: a later one proves them too. */
const MAX_WAITING = 1000
const FIRST_DELAY_MS = 1000
const MAX_DELAY_MS = 300_000
/** A stop gives what waits this long. */
const STOP_MS = 5000

interface DeliveryOptions {
  /** Resolves when the checkpoint is taken; rejects if it is to be sent again, and with `Unwanted` if not. */
  readonly deliver: (checkpoint: Checkpoint) => Promise<void>
  /** Told when delivery begins to fail, and once when it works again (null). */
  readonly onTrouble: (error: unknown) => void
}

/** The receiver wants this checkpoint never, or, if `all`, none until the next start. */
export class Unwanted extends Error {
  readonly all: boolean

  constructor(message: string, all: boolean) {
    super(message)
    this.all = all
  }
}

/** Sends each checkpoint, in order, again and again until it is taken: after 1 s, then each time twice as long, up to 5 min. */
export class DeliveredAnchor implements Anchor {
  readonly #options: DeliveryOptions
  #waiting: Checkpoint[] = []
  #failures = 0
  #running: Promise<void> | null = null
  #timer: NodeJS.Timeout | undefined
  #gone = false

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  add(checkpoint: Checkpoint): void {
    if (this.#gone) return
    this.#waiting = [...this.#waiting, checkpoint].slice(-MAX_WAITING)
    if (this.#timer === undefined) this.#start()
  }

  #start(): void {
    this.#timer = undefined
    this.#running ??= this.#deliver().finally(() => {
      this.#running = null
    })
  }

  /** Until nothing waits or one is not taken. */
  async #deliver(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      try {
        await this.#options.deliver(next)
        if (this.#failures > 0) this.#options.onTrouble(null)
        this.#failures = 0
      } catch (error) {
        if (this.#failures === 0) this.#options.onTrouble(error)
        if (!(error instanceof Unwanted)) {
          const delay = Math.min(FIRST_DELAY_MS * 2 ** this.#failures++, MAX_DELAY_MS)
          this.#timer = setTimeout(() => this.#start(), delay).unref()
          return
        }
        if (error.all) {
          this.#gone = true
          this.#waiting = []
        }
      }
      // It may have been given up meanwhile.
      this.#waiting = this.#waiting.filter(checkpoint => checkpoint !== next)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer)
    this.#start()
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, STOP_MS)
    await Promise.race([this.#running, late])
    clearTimeout(timer)
    clearTimeout(this.#timer)
  }
}
