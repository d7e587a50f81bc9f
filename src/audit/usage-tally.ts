import type { CallEvent } from '#core/events.ts'
import { HOUR_MS, MAX_COUNT, type UsageDelta, type UsageGroup } from '#core/usage-delta.ts'
import type { ModelNames } from './model-names.ts'

type Counting = { -readonly [Name in keyof UsageDelta]: UsageDelta[Name] }

/** A group, by the name of the model as it was sent. */
interface Entry {
  readonly hour: number
  readonly project: string
  readonly environment: string
  readonly provider: string
  readonly sent: string
  readonly counting: Counting
}

/** What the calls of one batch add to the roll-ups, gathered call by call: it costs a call a look-up and some sums. */
export class UsageTally {
  readonly #names: ModelNames
  /** By key: few keys have many groups. */
  readonly #entries = new Map<string, Entry[]>()

  constructor(names: ModelNames) {
    this.#names = names
  }

  /** Calls of nobody known use nothing and are counted elsewhere. */
  add(event: CallEvent): void {
    if (event.principal === null) return
    const into = this.#groupOf(event, event.principal)
    into.requests++
    if (event.outcome === 'refused') into.refused++
    else if (event.outcome === 'failed' || event.outcome === 'upstream_failed') into.failed++
    const { usage, costNanoUsd } = event
    if (usage === null || usage === undefined) return
    into.input = plus(into.input, usage.input)
    into.cachedInput = plus(into.cachedInput, usage.cachedInput)
    into.cacheWrite = plus(into.cacheWrite, usage.cacheWrite)
    into.output = plus(into.output, usage.output)
    into.reasoning = plus(into.reasoning, usage.reasoning)
    into.audioInput = plus(into.audioInput, usage.audioInput)
    into.audioOutput = plus(into.audioOutput, usage.audioOutput)
    into.imageInput = plus(into.imageInput, usage.imageInput)
    into.imageOutput = plus(into.imageOutput, usage.imageOutput)
    if (costNanoUsd !== null) into.costNanoUsd = plus(into.costNanoUsd, costNanoUsd)
    else if (usage.input > 0 || usage.output > 0) into.unpriced++
    if (usage.source === 'estimate') into.estimated++
  }

  /** One for each group. */
  get deltas(): readonly UsageDelta[] {
    return [...new Set([...this.#entries.values()].flatMap(entries => entries.map(({ counting }) => counting)))]
  }

  #groupOf({ at, target, model }: CallEvent, { id, project, environment }: Principal): Counting {
    const hour = at - (at % HOUR_MS)
    const provider = target?.provider ?? ''
    const sent = target === null ? '' : (model ?? '')
    const entries = this.#entriesOf(id)
    const isOwn = (entry: Entry) =>
      entry.hour === hour &&
      entry.provider === provider &&
      entry.project === project &&
      entry.environment === environment
    for (const entry of entries) if (entry.sent === sent && isOwn(entry)) return entry.counting
    const name = target === null ? '' : this.#names.take(hour, project, sent)
    const same = entries.find(entry => entry.counting.model === name && isOwn(entry))
    // Under the one name for what is beyond the bound there may be any number.
    if (same !== undefined && name === '*') return same.counting
    const counting =
      same?.counting ?? emptyGroup({ hour, project, key: id, user: '', model: name, provider, environment })
    entries.push({ hour, project, environment, provider, sent, counting })
    return counting
  }

  #entriesOf(key: string): Entry[] {
    const found = this.#entries.get(key)
    if (found !== undefined) return found
    const made: Entry[] = []
    this.#entries.set(key, made)
    return made
  }
}

type Principal = NonNullable<CallEvent['principal']>

/** Whatever is reported, what is written is an integer that all databases take. */
function plus(sum: number, more: number): number {
  return more > 0 ? Math.min(sum + Math.floor(more), MAX_COUNT) : sum
}

function emptyGroup(group: UsageGroup): Counting {
  return {
    ...group,
    requests: 0,
    failed: 0,
    refused: 0,
    input: 0,
    cachedInput: 0,
    cacheWrite: 0,
    output: 0,
    reasoning: 0,
    audioInput: 0,
    audioOutput: 0,
    imageInput: 0,
    imageOutput: 0,
    costNanoUsd: 0,
    unpriced: 0,
    estimated: 0,
  }
}
