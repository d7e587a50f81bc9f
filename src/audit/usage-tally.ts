import type { CallEvent } from '#core/events.ts'
import { HOUR_MS, MAX_COUNT, type UsageDelta, type UsageGroup } from '#core/usage-delta.ts'
import type { ModelNames } from './model-names.ts'

type Counting = { -readonly [Name in keyof UsageDelta]: UsageDelta[Name] }

/** What the calls of one batch add to the roll-ups, gathered call by call: it costs a call a look-up and some sums. */
export class UsageTally {
  readonly #names: ModelNames
  readonly #groups = new Map<string, Counting>()

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

  /** One for each group, in the order of their keys: everybody who writes several takes them in one order. */
  get deltas(): readonly UsageDelta[] {
    return [...this.#groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, delta]) => delta)
  }

  #groupOf({ at, target, model }: CallEvent, principal: NonNullable<CallEvent['principal']>): Counting {
    const hour = at - (at % HOUR_MS)
    const provider = target?.provider ?? ''
    const name = target === null ? '' : this.#names.take(hour, principal.project, model ?? '')
    // The name of the model comes last: it alone may have a blank in it.
    const id = `${hour} ${principal.project} ${principal.id} ${provider} ${principal.environment} ${name}`
    const known = this.#groups.get(id)
    if (known !== undefined) return known
    const { project, id: key, environment } = principal
    const made = emptyGroup({ hour, project, key, user: '', model: name, provider, environment })
    this.#groups.set(id, made)
    return made
  }
}

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
