/** Resolves when the next piece of long work may be done. */
export type TakeTurn = () => Promise<void>

/** How long a piece of it may take, in ms. */
export const PIECE_MS = 5

/**
 * Shares the event loop between long work and everything else: in each round of the loop one of those who wait has a turn, first
 * come, first served. As many wait at most as there are running calls.
 */
export function createLoopTurns(): TakeTurn {
  const waiting: (() => void)[] = []
  const next = () => {
    waiting.shift()?.()
    if (waiting.length > 0) setImmediate(next)
  }
  return () =>
    new Promise(resolve => {
      waiting.push(resolve)
      if (waiting.length === 1) setImmediate(next)
    })
}
