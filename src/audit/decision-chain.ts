import { type ChainHead, type DecisionLink, decisionHash } from '#core/audit-chain.ts'
import { Problem } from '#core/problems.ts'
import type { UsageDelta } from '#core/usage-delta.ts'
import type { EventWriter } from '#store/ports.ts'

/** Rows that somebody else may append meanwhile: a dead predecessor's last ones, committed late. */
const MAX_ATTEMPTS = 3

/** One worker's chain of batches. */
export class DecisionChain {
  readonly #events: EventWriter
  readonly #chain: string
  #head: ChainHead | null = null

  constructor(events: EventWriter, chain: string) {
    this.#events = events
    this.#chain = chain
  }

  /**
   * Appends a batch and adds what its calls used to the roll-ups, both or neither; to be called again with the same two
   * until it resolves. A try whose answer got lost is told from
   * one that never arrived by its hash, which is the same at each try.
   */
  async append(batch: DecisionLink, usage: readonly UsageDelta[] = []): Promise<void> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      this.#head ??= await this.#events.head(this.#chain)
      const { seq: before, hash: previous } = this.#head
      const seq = before + 1
      const hash = decisionHash(previous, this.#chain, seq, batch)
      this.#head = await this.#events.append({ chain: this.#chain, seq, previous, hash, ...batch }, usage)
      if (this.#head.seq === seq && this.#head.hash === hash) return
    }
    throw new Problem('store.unavailable', { reason: 'chain_contended' })
  }
}
