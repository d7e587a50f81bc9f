import { networkOf } from './network.ts'

interface BudgetOptions {
  /** What a source may take at once; it fills up again, evenly, within `refillMs`. */
  readonly amount: number
  readonly refillMs: number
  /**
   * Sources counted apart. Further ones share a budget with the rest of their IPv4 /24 or IPv6 /48, as many of these at
   * most; beyond that all share one.
   */
  readonly maxSources: number
}

/** A source is an IPv4 address or IPv6 /64. */
export interface SourceBudgets {
  /** Takes one of what the source of this address has at `now`, in ms; false = there is none. */
  (address: string, now: number): boolean
  /** Gives back one that was taken for what turned out to be good. */
  giveBack(address: string): void
}

interface Bucket {
  left: number
  at: number
}

export function createSourceBudgets({ amount, refillMs, maxSources }: BudgetOptions): SourceBudgets {
  const ofSources = new Buckets({ amount, refillMs, max: maxSources })
  const ofSites = new Buckets({ amount, refillMs, max: maxSources })
  const ofAll: Bucket = { left: amount, at: Number.NEGATIVE_INFINITY }

  const take = (address: string, now: number): boolean => {
    const source = networkOf(address)
    const bucket = ofSources.open(source, now) ?? ofSites.open(siteOf(source), now) ?? ofAll
    bucket.left = Math.min(amount, bucket.left + ((now - bucket.at) * amount) / refillMs)
    bucket.at = now
    if (bucket.left < 1) return false
    bucket.left--
    return true
  }
  const giveBack = (address: string) => {
    const source = networkOf(address)
    const bucket = ofSources.get(source) ?? ofSites.get(siteOf(source)) ?? ofAll
    bucket.left = Math.min(amount, bucket.left + 1)
  }
  return Object.assign(take, { giveBack })
}

/** What one who has many sources has most likely: the /24 of an IPv4 address, the /48 of an IPv6 /64 (RFC 6177 §2). */
function siteOf(source: string): string {
  const separator = source.includes(':') ? ':' : '.'
  return source.split(separator, 3).join(separator)
}

interface BucketsOptions {
  readonly amount: number
  readonly refillMs: number
  readonly max: number
}

/** A bounded number of budgets. */
class Buckets {
  readonly #options: BucketsOptions
  readonly #buckets = new Map<string, Bucket>()
  #droppedAt = Number.NEGATIVE_INFINITY

  constructor(options: BucketsOptions) {
    this.#options = options
  }

  get(key: string): Bucket | undefined {
    return this.#buckets.get(key)
  }

  /** The budget of this key, a full one where it is new; undefined = there is no room for it. */
  open(key: string, now: number): Bucket | undefined {
    const known = this.#buckets.get(key)
    if (known !== undefined) return known
    const { amount, max } = this.#options
    if (this.#buckets.size >= max) this.#makeRoom(now)
    if (this.#buckets.size >= max) return undefined
    const bucket = { left: amount, at: now }
    this.#buckets.set(key, bucket)
    return bucket
  }

  /** Who has a full budget again is as if never seen. Looked for once a refill, so that a flood of sources pays for it once. */
  #makeRoom(now: number): void {
    const { refillMs } = this.#options
    if (now - this.#droppedAt < refillMs) return
    this.#droppedAt = now
    for (const [key, { at }] of this.#buckets) if (now - at >= refillMs) this.#buckets.delete(key)
  }
}
