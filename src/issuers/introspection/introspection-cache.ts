import type { VerifiedIdentity } from '#core/principal.ts'
import type { Problem } from '#core/problems.ts'

type Verdict = VerifiedIdentity | Problem

interface Known {
  readonly verdict: Verdict
  /** Ms since the epoch. */
  readonly until: number
}

/** Refusals remembered at most. */
const MAX_REFUSALS = 10_000

/**
 * Remembers what was told of tokens, by the SHA-256 of the whole token. Refusals are kept apart: made-up tokens push out
 * no good one.
 */
export class IntrospectionCache {
  readonly #size: number
  readonly #identities = new Map<string, Known>()
  readonly #refusals = new Map<string, Known>()
  /** When tokens end that were good when last told of, ms since the epoch. */
  readonly #good = new Map<string, number>()

  /** `size` = good tokens remembered at most, and digests of those that were good. */
  constructor(size: number) {
    this.#size = size
  }

  get(digest: string, now: number): Verdict | undefined {
    return fresh(this.#identities, digest, now) ?? fresh(this.#refusals, digest, now)
  }

  /** Whether the token was good when it was last told of, and has not ended: it was issued, and may be good still. */
  wasGood(digest: string, now: number): boolean {
    return (this.#good.get(digest) ?? now) > now
  }

  admit(digest: string, verdict: VerifiedIdentity, until: number): void {
    keep(this.#identities, digest, { verdict, until }, this.#size)
    keep(this.#good, digest, verdict.expiresAt ?? Number.POSITIVE_INFINITY, this.#size)
  }

  refuse(digest: string, verdict: Problem, until: number): void {
    this.#good.delete(digest)
    keep(this.#refusals, digest, { verdict, until }, MAX_REFUSALS)
  }
}

function fresh(known: Map<string, Known>, digest: string, now: number): Verdict | undefined {
  const found = known.get(digest)
  if (found === undefined) return undefined
  if (found.until > now) return found.verdict
  known.delete(digest)
  return undefined
}

/** The oldest goes first; one that is learnt anew is the newest. */
function keep<T>(known: Map<string, T>, digest: string, entry: T, size: number): void {
  known.delete(digest)
  known.set(digest, entry)
  if (known.size <= size) return
  const [oldest] = known.keys()
  if (oldest !== undefined) known.delete(oldest)
}
