import type { Transaction } from 'kysely'
import type { Change, ChangeFeed } from './ports.ts'
import type { Tables } from './tables.ts'

const KEPT_MS = 24 * 60 * 60 * 1000

/** Writes a change inside the transaction of what changed, at `at` (ms since the epoch). */
export type RecordChange = (transaction: Transaction<Tables>, change: Omit<Change, 'seq'>, at: number) => Promise<void>

/** Also removes the changes that every node has long seen; the newest row always stays: it holds the sequence. */
export const recordChange: RecordChange = async (transaction, change, at) => {
  await transaction.insertInto('changes').values({ topic: change.topic, subject: change.subject, at }).execute()
  await transaction
    .deleteFrom('changes')
    .where('at', '<', at - KEPT_MS)
    .execute()
}

/** What a client of the feed knows: how far it has read, when it last heard, and who listens. */
export class ReceivedChanges implements ChangeFeed {
  readonly #listeners = new Set<(change: Change) => void>()
  #heardAt = Number.NEGATIVE_INFINITY
  #seq: number | null = null

  /** The last change seen; null = nothing was heard yet. */
  get seq(): number | null {
    return this.#seq
  }

  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  heardAt(): number {
    return this.#heardAt
  }

  /** Tells the listeners of each change that they were not told before. */
  deliver(changes: readonly Change[]): void {
    for (const change of changes) {
      if (this.#seq !== null && change.seq <= this.#seq) continue
      this.#seq = change.seq
      for (const listener of this.#listeners) listener(change)
    }
  }

  /** The store proved at `at` (`performance.now()`) that nothing was committed beyond `seq`. */
  heard(at: number, seq: number): void {
    this.#seq = Math.max(this.#seq ?? 0, seq)
    this.#heardAt = Math.max(this.#heardAt, at)
  }
}
