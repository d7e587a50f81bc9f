import { decisionsChain } from '#core/audit-chain.ts'
import type { Clock } from '#core/clock.ts'
import type { AdmittedEvent, CallEvent, RefusalsEvent } from '#core/events.ts'
import { newId } from '#core/ids.ts'
import { networkOf } from '#core/network.ts'
import { Problem } from '#core/problems.ts'
import type { EventWriter } from '#store/ports.ts'
import { DecisionChain } from './decision-chain.ts'
import { EventQueue } from './event-queue.ts'

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
  /**
   * null = the call may be answered. Else, in the mode `durable`, it may when this resolves; where it rejects with
   * `events.not_recordable`, with that problem.
   */
  record(event: CallEvent): Promise<void> | null
  /** Resolves when the call may be done. null = no call has to wait: the mode is `batched`. */
  readonly admit: ((event: AdmittedEvent) => Promise<void>) | null
  /** A call has begun whose end may be far. */
  begun(event: AdmittedEvent): void
  refused(refusal: Refusal): void
  /** Throws `events.not_recordable` while the store has not taken what waits. */
  ensureRecordable(): void
  /** Events that are not yet in the store. */
  waiting(): number
}

interface RecorderOptions {
  readonly events: EventWriter
  readonly worker: number
  readonly clock: Clock
  readonly mode: 'batched' | 'durable'
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
  readonly admit: Recorder['admit']
  readonly #options: RecorderOptions
  readonly #queue: EventQueue
  readonly #durable: boolean
  #groups = new Map<string, Group>()
  #groupTimer: NodeJS.Timeout | undefined
  #stopping = false

  constructor(options: RecorderOptions) {
    this.#options = options
    this.#durable = options.mode === 'durable'
    const chain = new DecisionChain(options.events, decisionsChain(options.worker))
    this.#queue = new EventQueue({ chain, durable: this.#durable, onTrouble: options.onTrouble })
    this.admit = this.#durable ? event => this.#admit(event) : null
  }

  ensureRecordable(): void {
    if (this.#queue.full) throw new Problem('events.not_recordable')
  }

  waiting(): number {
    return this.#queue.waiting
  }

  record(event: CallEvent): Promise<void> | null {
    // Of nobody known, for lack of time, or beyond what may wait: a refusal is counted, so that no flood of them is unbounded.
    const { principal, problem, outcome } = event
    const counted =
      principal === null || problem === 'gateway.overloaded' || (this.#queue.full && outcome === 'refused')
    if (counted && isRefusal(event)) {
      this.refused(event)
      return null
    }
    this.#queue.push(event)
    // What no provider was asked for, or what failed after it was admitted.
    const answered = event.target === null || isRefusal(event)
    const waits = this.#durable && answered && event.problem !== 'events.not_recordable'
    return waits ? this.#queue.written() : null
  }

  #admit(event: AdmittedEvent): Promise<void> {
    this.#queue.push(event)
    return this.#queue.written()
  }

  begun(event: AdmittedEvent): void {
    this.#queue.push(event)
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
    if (this.#queue.full && !this.#stopping) {
      // The store takes nothing now: go on counting, the number of groups is bounded.
      this.#groupTimer = setTimeout(() => this.#closeGroups(), REFUSALS_DELAY_MS)
      return
    }
    const groups = this.#groups
    this.#groups = new Map()
    for (const group of groups.values()) this.#queue.push(group)
  }

  /** Writes what waits; gives up at the first failure, which `onTrouble` has heard of. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#groupTimer)
    this.#closeGroups()
    await this.#queue[Symbol.asyncDispose]()
  }
}
