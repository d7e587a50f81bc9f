import { createSourceBudgets } from '#core/source-budgets.ts'
import type { KeyLife } from './key-source.ts'

export interface RefetchGate {
  /** Whether keys are fetched anew for the sake of this `kid`, which none of them has, at `now` in ms. */
  (keyId: string, source: string, now: number): LookUp
  /** This `kid` was not looked for after all. */
  forget(keyId: string): void
}

/** Whether a `kid` was, or may be, looked for: it was not so long ago, or the source or the issuer has had its share of that. */
export type LookUp = 'done' | 'in_vain' | 'source_spent' | 'issuer_spent'

/** A `kid` that was looked for in vain is not looked for again so soon. */
export const NEGATIVE_MS = 30_000
const MAX_NEGATIVE = 1000
const MAX_SOURCES = 4096

/**
 * Anyone can make up a `kid`: an issuer is asked for `refetchBurst` at once and then for one in `refetchMs`, of which a
 * source has one in `refetchMs`. So whoever floods takes none of what others need, and whichever of them is let through
 * brings the keys that all of them wait for.
 */
export function createRefetchGate({ refetchMs, refetchBurst }: KeyLife): RefetchGate {
  const inVain = new Map<string, number>()
  const ofSource = createSourceBudgets({ amount: 1, refillMs: refetchMs, maxSources: MAX_SOURCES })
  const ofIssuer = createSourceBudgets({ amount: refetchBurst, refillMs: refetchBurst * refetchMs, maxSources: 1 })
  const take = (keyId: string, source: string, now: number): LookUp => {
    if ((inVain.get(keyId) ?? Number.NEGATIVE_INFINITY) > now) return 'in_vain'
    if (!ofSource(source, now)) return 'source_spent'
    if (!ofIssuer('issuer', now)) return 'issuer_spent'
    inVain.delete(keyId)
    inVain.set(keyId, now + NEGATIVE_MS)
    if (inVain.size > MAX_NEGATIVE) inVain.delete(inVain.keys().next().value as string)
    return 'done'
  }
  return Object.assign(take, { forget: (keyId: string) => void inVain.delete(keyId) })
}
