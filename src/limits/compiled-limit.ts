import type { CounterPlace } from './counter-table.ts'
import { type Period, type PeriodSpan, periodAt } from './periods.ts'
import type { BudgetRule, CallFacts, ConcurrencyRule, Dimension, RateRule } from './rules.ts'

/** Rates over a longer window survive a restart. */
const LONGEST_VOLATILE_SECONDS = 3600
const MICROS = 1e6
const NOT_IN_RECORDS: ReadonlySet<Dimension> = new Set(['ip', 'operation', 'client'])

/** What a call is expected to use, or has used. */
export interface Claim {
  readonly inputTokens: number
  readonly outputTokens: number
}

interface Limit {
  readonly name: string
  readonly amount: number
  readonly needsModel: boolean
  readonly counter: CounterName
  readonly per: readonly Dimension[]
  /** null = any. */
  applies(operation: string | null, model: string | null): boolean
}

export interface RateLimit extends Limit {
  readonly kind: 'rate' | 'durable-rate'
  readonly unit: RateRule['unit']
  readonly windowSeconds: number
  /** As an item of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers). */
  readonly policy: string
  /** µs that may be charged ahead. */
  readonly window: number
  /** What a call costs, in µs. */
  costOf(claim: Claim): number
  /** What is left of the limit where so many µs are, in units. */
  unitsIn(micros: number): number
  /** The µs that so many units cost together. */
  microsOf(units: number): number
}

export interface ConcurrencyLimit extends Limit {
  readonly kind: 'concurrency'
  readonly unit: 'concurrency'
}

export interface BudgetLimit extends Limit {
  readonly kind: 'budget'
  readonly unit: BudgetRule['unit']
  readonly period: Period
  readonly alertAt: readonly number[]
  /** Whether calls of its scope alone can be summed up from the records of use. */
  readonly summable: boolean
  periodAt(at: number): PeriodSpan
}

export type CompiledLimit = RateLimit | ConcurrencyLimit | BudgetLimit
type Origin = 'config' | 'key'

export function compileRate(origin: Origin, rule: RateRule): RateLimit {
  const { amount, windowSeconds, unit } = rule
  const span = Math.ceil(windowSeconds * MICROS)
  const perRequest = Math.ceil(span / amount)
  const durable = windowSeconds > LONGEST_VOLATILE_SECONDS
  const unitsOf = tokensOf(unit)
  return {
    // Another window is another limit: what was charged by the one says nothing of the other.
    ...common(origin, rule, `${durable ? 'durable ' : ''}${windowSeconds}`),
    applies: filter(rule.models, rule.operations),
    kind: durable ? 'durable-rate' : 'rate',
    unit,
    windowSeconds,
    policy: policyOf(rule),
    window: unit === 'requests' ? amount * perRequest : span,
    costOf: unit === 'requests' ? () => perRequest : claim => divideUp(unitsOf(claim), span, amount),
    microsOf: unit === 'requests' ? units => units * perRequest : units => divideUp(units, span, amount),
    unitsIn:
      unit === 'requests' ? micros => Math.floor(micros / perRequest) : micros => Math.floor((micros * amount) / span),
  }
}

/** A limit of anything but requests says its unit in a parameter of ours: the draft registers none for tokens. */
function policyOf({ name, unit, amount, windowSeconds }: RateRule): string {
  const quota = `"${name}";q=${amount};w=${windowSeconds}`
  return unit === 'requests' ? quota : `${quota};ostiary-unit="${unit}"`
}

export function compileConcurrency(origin: Origin, rule: ConcurrencyRule): ConcurrencyLimit {
  return {
    ...common(origin, rule, ''),
    applies: filter(rule.models, rule.operations),
    kind: 'concurrency',
    unit: 'concurrency',
  }
}

export function compileBudget(origin: Origin, rule: BudgetRule): BudgetLimit {
  let current: PeriodSpan = { start: 0, end: -1 }
  return {
    ...common(origin, rule, rule.period),
    applies: filter(rule.models, null),
    kind: 'budget',
    unit: rule.unit,
    period: rule.period,
    alertAt: rule.alertAt,
    summable: rule.models === null && !rule.per.some(dimension => NOT_IN_RECORDS.has(dimension)),
    periodAt(at) {
      if (at < current.start || (at >= current.end && current.end !== 0)) current = periodAt(rule.period, at)
      return current
    },
  }
}

function common(origin: Origin, rule: RateRule | ConcurrencyRule | BudgetRule, variant: string) {
  const { name, unit, amount, per, models } = rule
  return {
    name,
    amount,
    per,
    needsModel: models !== null || per.includes('model'),
    counter: new CounterName(JSON.stringify([origin, name, unit, variant]), per),
  }
}

function filter(models: RateRule['models'], operations: ReadonlySet<string> | null): Limit['applies'] {
  if (models === null && operations === null) return () => true
  return (operation, model) =>
    (operations === null || operation === null || operations.has(operation)) &&
    (models === null || model === null || models(model))
}

function tokensOf(unit: RateRule['unit']): (claim: Claim) => number {
  switch (unit) {
    case 'requests':
      return () => 1
    case 'tokens':
      return claim => claim.inputTokens + claim.outputTokens
    case 'input_tokens':
      return claim => claim.inputTokens
    case 'output_tokens':
      return claim => claim.outputTokens
  }
}

/** ⌈n · span ÷ amount⌉; rounded where that is beyond 2^53, which is beyond any window. */
function divideUp(n: number, span: number, amount: number): number {
  const product = n * span
  // Beyond 2^53 a product is rounded.
  if (product > Number.MAX_SAFE_INTEGER) return Number((BigInt(n) * BigInt(span) + BigInt(amount - 1)) / BigInt(amount))
  const quotient = Math.floor(product / amount)
  return quotient * amount < product ? quotient + 1 : quotient
}

/** Names a limit's counter for each call: the limit and the values of its dimensions, each after its length. */
export class CounterName {
  readonly prefix: string
  readonly #per: readonly Dimension[]
  /** Of the last call, whose counter is mostly that of the next. */
  readonly #values: string[]
  #text: string
  #period = 0
  /** Where the counter of that name is, in the memory of `owner`. */
  place: CounterPlace | undefined
  owner: object | undefined

  constructor(prefix: string, per: readonly Dimension[]) {
    this.prefix = prefix
    this.#per = per
    this.#values = per.map(() => '')
    this.#text = this.#join()
  }

  get text(): string {
    return this.#text
  }

  /** Makes `text` the name of the counter of a call, and forgets its place if that is another than before. */
  select(facts: CallFacts, model: string, period: number): void {
    let same = period === this.#period
    for (let i = 0; i < this.#per.length; i++) {
      const value = dimensionOf(this.#per[i] as Dimension, facts, model)
      if (value === this.#values[i]) continue
      this.#values[i] = value
      same = false
    }
    if (same) return
    this.#period = period
    this.#text = this.#join()
    this.place = undefined
  }

  /** What the records of use are asked for. */
  scope(): { readonly project?: string; readonly key?: string; readonly model?: string } {
    // The use of a person is recorded like that of a key, under the id of the principal.
    return Object.fromEntries(
      this.#per.map((dimension, i) => [dimension === 'user' ? 'key' : dimension, this.#values[i]]),
    )
  }

  #join(): string {
    let text = this.prefix
    for (const value of this.#values) text += `${value.length}:${value}`
    return text
  }
}

function dimensionOf(dimension: Dimension, facts: CallFacts, model: string): string {
  switch (dimension) {
    case 'key':
      return facts.key
    case 'user':
      return facts.user ?? ''
    case 'client':
      return facts.client ?? ''
    case 'project':
      return facts.project
    case 'ip':
      return facts.network
    case 'model':
      return model
    case 'operation':
      return facts.operation
  }
}
