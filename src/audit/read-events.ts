import { CHANGES_CHAIN } from '#core/audit-chain.ts'
import type { OstiaryEvent } from '#core/events.ts'
import type { AuditReader } from '#store/audit-reader.ts'
import { type EventFilter, isMeant } from './filter.ts'

/** How far each chain was read: its last row. */
export type Places = Map<string, number>

/** Rows of one chain, with what of them is meant, read as they are needed. */
class ChainRows {
  readonly chain: string
  readonly #reader: AuditReader
  readonly #filter: EventFilter
  #after: number
  #rows: readonly { readonly seq: number; readonly at: number; readonly data: string }[] = []
  #next = 0

  constructor(reader: AuditReader, chain: string, after: number, filter: EventFilter) {
    this.#reader = reader
    this.chain = chain
    this.#after = after
    this.#filter = filter
  }

  async peek() {
    if (this.#next === this.#rows.length) {
      this.#rows = await this.#read()
      this.#next = 0
      this.#after = this.#rows.at(-1)?.seq ?? this.#after
    }
    return this.#rows[this.#next]
  }

  take(): { readonly seq: number; readonly events: readonly OstiaryEvent[] } | undefined {
    const row = this.#rows[this.#next++]
    if (row === undefined) return undefined
    const events = row.data.split('\n').map(line => JSON.parse(line) as OstiaryEvent)
    return { seq: row.seq, events: events.filter(event => isMeant(event, this.#filter)) }
  }

  async #read() {
    if (this.chain === CHANGES_CHAIN) return this.#reader.changes(this.#after)
    const rows = await this.#reader.decisions(this.chain, this.#after)
    return rows.map(({ seq, lastAt, data }) => ({ seq, at: lastAt, data }))
  }
}

/**
 * The events after `places` that are meant, oldest first: chains are merged by the times of their rows. `places` moves
 * on with what is read.
 */
export async function* readEvents(
  reader: AuditReader,
  filter: EventFilter,
  places: Places = new Map(),
): AsyncGenerator<OstiaryEvent> {
  const names = [CHANGES_CHAIN, ...(await reader.chains())]
  const chains = names.map(chain => new ChainRows(reader, chain, places.get(chain) ?? 0, filter))
  for (;;) {
    let oldest: { readonly from: ChainRows; readonly at: number } | null = null
    for (const from of chains) {
      const row = await from.peek()
      if (row !== undefined && (oldest === null || row.at < oldest.at)) oldest = { from, at: row.at }
    }
    const row = oldest?.from.take()
    if (oldest === null || row === undefined) return
    places.set(oldest.from.chain, row.seq)
    yield* row.events
  }
}
