import { networkOf } from './network.ts'

interface BudgetOptions {
  /** What a source may take at once; it fills up again, evenly, within `refillMs`. */
  readonly amount: number
  readonly refillMs: number
  /** Sources counted apart; further ones share one budget. */
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
  const buckets = new Map<string, Bucket>()
  let droppedAt = Number.NEGATIVE_INFINITY

  /** Who has a full budget again is as if never seen. Looked for once a refill, so that a flood of sources pays for it once. */
  const makeRoom = (now: number) => {
    if (now - droppedAt < refillMs) return
    droppedAt = now
    for (const [source, { at }] of buckets) if (now - at >= refillMs) buckets.delete(source)
  }

  const take = (address: string, now: number): boolean => {
    const source = networkOf(address)
    let key = source
    let bucket = buckets.get(source)
    if (bucket === undefined && buckets.size >= maxSources) {
      makeRoom(now)
      if (buckets.size >= maxSources) {
        key = '*'
        bucket = buckets.get(key)
      }
    }
    if (bucket === undefined) {
      bucket = { left: amount, at: now }
      buckets.set(key, bucket)
    }
    bucket.left = Math.min(amount, bucket.left + ((now - bucket.at) * amount) / refillMs)
    bucket.at = now
    if (bucket.left < 1) return false
    bucket.left--
    return true
  }
  const giveBack = (address: string) => {
    const bucket = buckets.get(networkOf(address)) ?? buckets.get('*')
    if (bucket !== undefined) bucket.left = Math.min(amount, bucket.left + 1)
  }
  return Object.assign(take, { giveBack })
}
