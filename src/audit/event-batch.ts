import type { DecisionLink } from '#core/audit-chain.ts'
import { eventJson } from '#core/event-json.ts'
import type { AdmittedEvent, CallEvent, RefusalsEvent } from '#core/events.ts'
import type { UsageDelta } from '#core/usage-delta.ts'
import type { ModelNames } from './model-names.ts'
import { UsageTally } from './usage-tally.ts'

/** Events that are written together, as text, with what their calls used. */
export class EventBatch {
  readonly #lines: string[] = []
  readonly #tally: UsageTally
  #firstAt = Number.POSITIVE_INFINITY
  #lastAt = 0

  constructor(names: ModelNames) {
    this.#tally = new UsageTally(names)
  }

  get count(): number {
    return this.#lines.length
  }

  push(event: CallEvent | AdmittedEvent | RefusalsEvent): void {
    this.#lines.push(eventJson(event))
    if (event.at < this.#firstAt) this.#firstAt = event.at
    if (event.at > this.#lastAt) this.#lastAt = event.at
    if (event.type === 'call') this.#tally.add(event)
  }

  /** The row of the chain, and what goes with it. The same at each try: nothing is pushed any more. */
  close(): { readonly link: DecisionLink; readonly usage: readonly UsageDelta[] } {
    const link = { firstAt: this.#firstAt, lastAt: this.#lastAt, count: this.count, data: this.#lines.join('\n') }
    return { link, usage: this.#tally.deltas }
  }
}
