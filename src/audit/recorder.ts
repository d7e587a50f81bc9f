import type { Clock } from '#core/clock.ts'
import type { CallEvent, OstiaryEvent, RefusalsEvent } from '#core/events.ts'
import { newId } from '#core/ids.ts'
import { Problem } from '#core/problems.ts'
import type { EventWriter } from '#store/ports.ts'

/** Events that may wait for the store, per worker. From here on calls are refused rather than done unrecorded. */
const MAX_WAITING = 5000
const MAX_BATCH = 100
/**
 * Longest that an event waits for others to share a write with, ms. A crash loses this and the write under way; of
 * refusals without a principal the counts of `REFUSALS_DELAY_MS`; and in an outage of the store all that waits.
 */
const BATCH_DELAY_MS = 25
const RETRY_DELAY_MS = 500
/** How long refusals without a principal are counted before they are written, ms. */
const REFUSALS_DELAY_MS = 5000
/** Different kinds of refusals counted apart; further sources share one count. */
const MAX_REFUSAL_GROUPS = 1024
const MAX_SAMPLES = 3

/** A refused request of nobody known. */
export type Refusal = Pick<CallEvent, 'id' | 'at' | 'source' | 'route' | 'reason' | 'credential'> & {
  readonly problem: string
}

/** Takes every event, writes them in batches. */
export interface Recorder extends AsyncDisposable {
  record(event: CallEvent): void
  refused(refusal: Refusal): void
  /** Throws `events.not_recordable` while the store has not taken what waits. */
  ensureRecordable(): void
}

interface RecorderOptions {
  readonly events: EventWriter
  readonly worker: number
  readonly clock: Clock
  /** Told once when writing begins to fail, and once when it works again (null). */
  readonly onTrouble: (error: unknown) => void
}

export function createRecorder(options: RecorderOptions): Recorder {
  return new BatchRecorder(options)
}

function isRefusal(event: CallEvent): event is CallEvent & Refusal {
  return event.problem !== null
}

type Group = { -readonly [K in keyof RefusalsEvent]: RefusalsEvent[K] } & { samples: string[] }

class BatchRecorder implements Recorder {
  readonly #options: RecorderOptions
  #waiting: OstiaryEvent[] = []
  #groups = new Map<string, Group>()
  #batchTimer: NodeJS.Timeout | undefined
  #groupTimer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #troubled = false
  #stopping = false

  constructor(options: RecorderOptions) {
    this.#options = options
  }

  ensureRecordable(): void {
    if (this.#waiting.length >= MAX_WAITING) throw new Problem('events.not_recordable')
  }

  record(event: CallEvent): void {
    // Of nobody known, or beyond what may wait: a refusal is counted, so that no flood of them is unbounded.
    const counted = event.principal === null || (this.#waiting.length >= MAX_WAITING && event.outcome === 'refused')
    if (counted && isRefusal(event)) this.refused(event)
    else this.#enqueue(event)
  }

  refused(refusal: Refusal): void {
    const network = networkOf(refusal.source)
    const exact = this.#keyOf(refusal, network)
    const source = this.#groups.has(exact) || this.#groups.size < MAX_REFUSAL_GROUPS ? network : '*'
    const key = source === '*' ? this.#keyOf(refusal, source) : exact
    const group = this.#groups.get(key)
    if (group === undefined) this.#groups.set(key, this.#newGroup(refusal, source))
    else {
      group.count++
      group.lastAt = refusal.at
      if (group.samples.length < MAX_SAMPLES) group.samples.push(refusal.id)
    }
    this.#groupTimer ??= setTimeout(() => this.#closeGroups(), REFUSALS_DELAY_MS)
  }

  #keyOf(refusal: Refusal, source: string): string {
    // Overflow must not be stretched by what an attacker chooses: it is counted by problem alone.
    if (source === '*') return `*|${refusal.problem}`
    return `${source}|${refusal.route}|${refusal.problem}|${refusal.reason}|${refusal.credential}`
  }

  #newGroup(refusal: Refusal, source: string): Group {
    const { at, route, problem, reason, credential } = refusal
    const own = source === '*' ? { route: null, reason: null, credential: null } : { route, reason, credential }
    return {
      type: 'refusals',
      id: newId('evt', at),
      at,
      lastAt: at,
      worker: this.#options.worker,
      source,
      problem,
      ...own,
      count: 1,
      samples: [refusal.id],
    }
  }

  #closeGroups(): void {
    this.#groupTimer = undefined
    if (this.#waiting.length >= MAX_WAITING && !this.#stopping) {
      // The store takes nothing now: go on counting, the number of groups is bounded.
      this.#groupTimer = setTimeout(() => this.#closeGroups(), REFUSALS_DELAY_MS)
      return
    }
    const groups = this.#groups
    this.#groups = new Map()
    for (const group of groups.values()) this.#enqueue(group)
  }

  #enqueue(event: OstiaryEvent): void {
    this.#waiting.push(event)
    if (this.#writing !== undefined || this.#troubled || this.#stopping) return
    if (this.#waiting.length >= MAX_BATCH) this.#write()
    else this.#batchTimer ??= setTimeout(() => this.#write(), BATCH_DELAY_MS)
  }

  #write(): void {
    clearTimeout(this.#batchTimer)
    this.#batchTimer = undefined
    if (this.#writing !== undefined || this.#waiting.length === 0 || this.#stopping) return
    this.#writing = this.#writeBatch().finally(() => {
      this.#writing = undefined
      if (this.#waiting.length === 0 || this.#stopping) return
      if (!this.#troubled && this.#waiting.length >= MAX_BATCH) this.#write()
      else this.#batchTimer ??= setTimeout(() => this.#write(), this.#troubled ? RETRY_DELAY_MS : BATCH_DELAY_MS)
    })
  }

  async #writeBatch(): Promise<void> {
    // An event that was written although the answer got lost is sent again: the store knows its id.
    const batch = this.#waiting.slice(0, MAX_BATCH)
    try {
      await this.#options.events.append(batch)
      this.#waiting = this.#waiting.slice(batch.length)
      if (this.#troubled) this.#options.onTrouble(null)
      this.#troubled = false
    } catch (error) {
      if (!this.#troubled) this.#options.onTrouble(error)
      this.#troubled = true
    }
  }

  /** Writes what waits; gives up at the first failure, which `onTrouble` has heard of. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#groupTimer)
    clearTimeout(this.#batchTimer)
    this.#closeGroups()
    // From here on nobody else writes: two writers would each cut what the other wrote.
    await this.#writing
    while (this.#waiting.length > 0) {
      await this.#writeBatch()
      if (this.#troubled) break
    }
  }
}

/** An IPv6 host has its whole /64 to speak from: it counts as one source. IPv4 in IPv6 is IPv4. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice(7)
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? []
  const groups = head === '' ? [] : head.split(':')
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length)
  const full = [...groups, ...Array<string>(missing).fill('0'), ...(tail ? tail.split(':') : [])]
  return `${full.slice(0, 4).join(':')}::/64`
}
