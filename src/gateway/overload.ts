import type { Principal } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { createSourceBudgets } from '#core/source-budgets.ts'
import type { Call } from './call.ts'
import { FairShares } from './fair-shares.ts'
import { LateAnswers } from './late-answers.ts'
import { type LoopDelay, watchLoopDelay } from './loop-delay.ts'
import { refuse } from './refuse.ts'

/**
 * - `credential`: without a good credential, while the worker is overloaded: 503;
 * - `share`: of a project beyond its share, while it is: 503;
 * - `late`: a refusal that left late, because its source had many; `cut`: one whose connection was cut instead.
 */
export type ShedReason = 'credential' | 'share' | 'late' | 'cut'

/** Keeps a worker serving what it should when more is asked of it than it can do. */
export interface Overload extends Disposable {
  readonly delay: LoopDelay
  /** Authenticated calls under way. */
  running(): number
  /**
   * Counts a call of somebody known until `leave`. Throws `gateway.overloaded` for a project that uses more than its
   * share, while the worker is overloaded.
   */
  enter(call: Call, principal: Principal): void
  /** The call's end; of one that never entered, nothing. */
  leave(call: Call): void
  /** Prepares the answer to a refused call; of nobody known, late if their source has had many. */
  refuse(call: Call, problem: Problem): void
}

interface OverloadOptions {
  /** Delay of the event loop, ms, from which on the worker is overloaded. */
  readonly maxDelayMs: number
  /** Refusals of nobody known that a source gets at once, a second. */
  readonly maxFailuresPerSecond: number
  readonly onShed: (reason: ShedReason) => void
}

/** Sources whose refusals are counted apart. */
const MAX_SOURCES = 4096
const RETRY = { headers: { 'x-should-retry': 'true' } }
// Made once: what is refused for lack of time must cost none.
const noCredential = new Problem('gateway.overloaded', { ...RETRY, reason: 'credential' })
const beyondShare = new Problem('gateway.overloaded', { ...RETRY, reason: 'share' })

export function createOverload({ maxDelayMs, maxFailuresPerSecond, onShed }: OverloadOptions): Overload {
  const shares = new FairShares()
  const late = new LateAnswers()
  const mayFail = createSourceBudgets({ amount: maxFailuresPerSecond, refillMs: 1000, maxSources: MAX_SOURCES })
  let running = 0
  let overloaded = false
  const delay = watchLoopDelay((standingMs, elapsedMs) => {
    overloaded = standingMs > maxDelayMs
    shares.adjust(overloaded, elapsedMs)
  })

  return {
    delay,
    running: () => running,
    enter(call, { project }) {
      if (!shares.admits(project)) {
        onShed('share')
        throw beyondShare
      }
      call.entered = true
      running++
      shares.charge(project, 1, 0)
    },
    leave({ entered, principal, bytesIn, bytesOut }) {
      if (!entered || principal === null) return
      running--
      shares.charge(principal.project, 0, bytesIn + bytesOut)
    },
    refuse(call, problem) {
      // What the gateway itself failed by is nobody's fault.
      const isUntold = problem.code === 'auth.issuer_unavailable'
      if (call.principal !== null || (problem.status >= 500 && !isUntold)) return refuse(call, problem)
      if (overloaded) onShed('credential')
      refuse(call, overloaded && !isUntold ? noCredential : problem)
      // Whichever credential it was: the answer tells nothing of it, nor does its time.
      if (!mayFail(call.source, call.startedAt)) onShed(late.hold(call) ? 'late' : 'cut')
    },
    [Symbol.dispose]: () => delay[Symbol.dispose](),
  }
}
