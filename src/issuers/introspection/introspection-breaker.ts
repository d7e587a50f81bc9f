/** Failures one after the other before the endpoint itself is tried. */
export const TOLERATED_FAILURES = 5
/** For how long nobody is asked after the endpoint has failed a trial, ms; doubled at each further one, up to the maximum. */
export const OPEN_MS = 1000
export const MAX_OPEN_MS = 30_000
/** How far apart trials that succeed are at least, ms. */
export const TRIAL_INTERVAL_MS = 1000

interface BreakerOptions {
  /** Asks the endpoint about a token of the gateway's own making. Answers what is wrong, in a word; null = nothing. Never rejects. */
  readonly tryEndpoint: () => Promise<string | null>
  /** Told what is wrong when it opens, and null when it closes again. */
  readonly onChange: (trouble: string | null) => void
  /** Ms of a clock that only goes on; default = `performance.now()`. */
  readonly now?: () => number
}

/**
 * Keeps calls from waiting for an endpoint that is down. What callers send cannot open it: failures only have the endpoint
 * tried, with a question that no caller has a part in, and that decides. After its time one call has the endpoint tried
 * again and waits for that; the others are answered at once.
 */
export class IntrospectionBreaker {
  readonly #options: BreakerOptions
  readonly #now: () => number
  #failures = 0
  #open = false
  #openMs = OPEN_MS
  #mayTryAt = Number.NEGATIVE_INFINITY
  #trying = false

  constructor(options: BreakerOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** Whether the endpoint may be asked now. */
  admits(): boolean | Promise<boolean> {
    if (!this.#open) return true
    return this.#mayTry() ? this.#try() : false
  }

  succeeded(): void {
    this.#failures = 0
  }

  /** A question was not answered as it should be. `suspicious` = do not wait for more of them. */
  failed(suspicious: boolean): void {
    this.#failures++
    if (this.#open || (this.#failures < TOLERATED_FAILURES && !suspicious)) return
    if (this.#mayTry()) void this.#try()
  }

  #mayTry(): boolean {
    return !this.#trying && this.#now() >= this.#mayTryAt
  }

  async #try(): Promise<boolean> {
    this.#trying = true
    const trouble = await this.#options.tryEndpoint()
    this.#trying = false
    const wasOpen = this.#open
    this.#failures = 0
    this.#open = trouble !== null
    this.#openMs = wasOpen && this.#open ? Math.min(MAX_OPEN_MS, this.#openMs * 2) : OPEN_MS
    this.#mayTryAt = this.#now() + (this.#open ? this.#openMs : TRIAL_INTERVAL_MS)
    if (wasOpen !== this.#open) this.#options.onChange(trouble)
    return !this.#open
  }
}
