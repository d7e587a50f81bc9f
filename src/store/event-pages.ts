import { type Kysely, sql } from 'kysely'
import { CHANGES_CHAIN } from '#core/audit-chain.ts'
import type { OstiaryEvent } from '#core/events.ts'
import type { EventPage, EventQuery, EventStore } from './ports.ts'
import type { Tables } from './tables.ts'

/** Types that chains of decisions hold; all others are changes. */
const DECISION_TYPES: readonly string[] = ['call', 'admitted', 'refusals']
/** Rows of each table read at once: a batch is up to a hundred events. */
const DECISION_ROWS = 16
const CHANGE_ROWS = 200
/** Events that one page may pass over in search of those that match. */
const MAX_SCANNED = 20_000

/** A row of either table; `data` holds its events, one a line. */
interface Row {
  readonly at: number
  readonly chain: string
  readonly seq: number
  readonly data: string
}

/** Where a page ended: this row, of which the first `line` events are still to come. */
type Place = Omit<Row, 'data'> & { readonly line: number }

/** Events of all chains in one order: newest row first, and newest first in each row. */
export function eventPages(db: Kysely<Tables>): Pick<EventStore, 'list' | 'page'> {
  return {
    list: async query => (await collect(db, query, Number.POSITIVE_INFINITY)).events,
    page: query => collect(db, query, MAX_SCANNED),
  }
}

async function collect(db: Kysely<Tables>, query: EventQuery, maxScanned: number): Promise<EventPage> {
  const events: OstiaryEvent[] = []
  const start = query.after === undefined ? null : readPlace(query.after)
  let scanned = 0
  for await (const row of rowsFrom(db, query, start)) {
    const lines = row.data.split('\n')
    const isStart = start !== null && row.chain === start.chain && row.seq === start.seq
    for (let line = isStart ? start.line : lines.length; line > 0; line--) {
      if (events.length === query.limit || scanned === maxScanned) return { events, next: writePlace({ ...row, line }) }
      scanned++
      const event = JSON.parse(lines[line - 1] as string) as OstiaryEvent
      if (isMeant(event, query)) events.push(event)
    }
  }
  return { events, next: null }
}

function isMeant(event: OstiaryEvent, { type, from, to, matches }: EventQuery): boolean {
  if (type !== undefined && event.type !== type) return false
  if ((from !== undefined && event.at < from) || (to !== undefined && event.at >= to)) return false
  return matches === undefined || matches(event)
}

/** Merges the two tables. */
async function* rowsFrom(db: Kysely<Tables>, query: EventQuery, start: Place | null): AsyncGenerator<Row> {
  const isDecision = query.type === undefined ? null : DECISION_TYPES.includes(query.type)
  const sources = [
    ...(isDecision === false ? [] : [new Source(start, DECISION_ROWS, place => decisions(db, query, place))]),
    ...(isDecision === true ? [] : [new Source(start, CHANGE_ROWS, place => changes(db, query, place))]),
  ]
  for (;;) {
    const heads = await Promise.all(sources.map(source => source.peek()))
    const first = heads.reduce((best, head, i) => (isNewer(head, heads[best]) ? i : best), 0)
    const row = sources[first]?.take()
    if (row === undefined) return
    yield row
  }
}

function isNewer(a: Row | undefined, b: Row | undefined): boolean {
  if (a === undefined || b === undefined) return b === undefined
  if (a.at !== b.at) return a.at > b.at
  return a.chain === b.chain ? a.seq > b.seq : a.chain > b.chain
}

/** Rows of one table, read as they are needed. */
class Source {
  readonly #read: (place: Place | null) => Promise<readonly Row[]>
  readonly #size: number
  #place: Place | null
  #rows: readonly Row[] = []
  #next = 0
  #ended = false

  constructor(start: Place | null, size: number, read: (place: Place | null) => Promise<readonly Row[]>) {
    this.#place = start
    this.#size = size
    this.#read = read
  }

  async peek(): Promise<Row | undefined> {
    if (this.#next === this.#rows.length && !this.#ended) {
      this.#rows = await this.#read(this.#place)
      this.#next = 0
      this.#ended = this.#rows.length < this.#size
      const last = this.#rows.at(-1)
      if (last !== undefined) this.#place = { ...last, line: 0 }
    }
    return this.#rows[this.#next]
  }

  take(): Row | undefined {
    return this.#rows[this.#next] && this.#rows[this.#next++]
  }
}

async function decisions(db: Kysely<Tables>, { from, to }: EventQuery, place: Place | null): Promise<readonly Row[]> {
  let rows = db
    .selectFrom('audit_decisions')
    .select(['last_at as at', 'chain', 'seq', 'data'])
    .orderBy('last_at', 'desc')
    .orderBy('chain', 'desc')
    .orderBy('seq', 'desc')
    .limit(DECISION_ROWS)
  if (from !== undefined) rows = rows.where('last_at', '>=', from)
  if (to !== undefined) rows = rows.where('first_at', '<', to)
  if (place !== null) {
    const { at, chain, seq, line } = place
    // The row itself is read again where some of its events are still to come.
    const bound = line > 0 ? sql.raw('<=') : sql.raw('<')
    rows = rows.where(sql<boolean>`(last_at, chain, seq) ${bound} (${at}, ${chain}, ${seq})`)
  }
  return rows.execute()
}

async function changes(
  db: Kysely<Tables>,
  { from, to, type }: EventQuery,
  place: Place | null,
): Promise<readonly Row[]> {
  let rows = db
    .selectFrom('audit_changes')
    .select(['at', 'seq', 'data'])
    .orderBy('at', 'desc')
    .orderBy('seq', 'desc')
    .limit(CHANGE_ROWS)
  if (type !== undefined) rows = rows.where('type', '=', type)
  if (from !== undefined) rows = rows.where('at', '>=', from)
  if (to !== undefined) rows = rows.where('at', '<', to)
  if (place !== null) {
    const { at, seq, line } = place
    if (place.chain === CHANGES_CHAIN) {
      const bound = line > 0 ? sql.raw('<=') : sql.raw('<')
      rows = rows.where(sql<boolean>`(at, seq) ${bound} (${at}, ${seq})`)
    } else rows = rows.where('at', '<=', at) // of one time, every chain of decisions comes before
  }
  return (await rows.execute()).map(row => ({ ...row, chain: CHANGES_CHAIN }))
}

function writePlace({ at, seq, line, chain }: Place): string {
  return `${at}.${seq}.${line}.${chain}`
}

function readPlace(text: string): Place {
  const [at, seq, line, chain] = text.split('.') as [string, string, string, string]
  return { at: Number(at), seq: Number(seq), line: Number(line), chain }
}
