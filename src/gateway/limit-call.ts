import { networkOf } from '#core/network.ts'
import { clientOf, userOf } from '#core/principal.ts'
import type { CompiledRules, StagedRules } from '#limits/compile-rules.ts'
import type { Limiter } from '#limits/limiter.ts'
import type { CallFacts } from '#limits/rules.ts'
import type { Grant } from '#policy/authorize.ts'
import type { Admitted } from '#policy/check-address.ts'
import type { Permitted } from '#policy/permit.ts'
import type { ModelTarget } from '#providers/catalog.ts'
import { boundOutput, boundUsage } from '#providers/usage/bound.ts'
import { USUAL_OUTPUT_TOKENS } from '#providers/usage/estimate.ts'
import { boundCost, costOf } from '#usage/cost.ts'
import type { Price } from '#usage/price.ts'
import { isListed } from '#usage/prices.ts'
import type { Call } from './call.ts'
import type { Generation } from './generation.ts'
import type { Input } from './read-input.ts'
import type { OperationRoute, Route } from './routes.ts'

type PacedRoute = Extract<Route, { readonly serves: 'operation' | 'models' | 'service' | 'decision' }>

declare const held: unique symbol

/** Leave to do a granted call, with all that it may use reserved. Made here only: nothing is forwarded without one. */
export type Hold = {
  readonly grant: Grant<ModelTarget>
  readonly input: Input
  /** The most that the model writes in one answer, in tokens; null = not known. */
  readonly maxOutputTokens: number | null
} & { readonly [held]: true }

/** Takes of the rates of requests, and of calls at once. Throws `limits.*`. */
export function takePace(
  call: Call,
  { rulesOf }: Generation,
  limiter: Limiter,
  caller: Permitted,
  { id, serves }: Pick<PacedRoute, 'id' | 'serves'>,
): void {
  const rules = stagesFor(serves, rulesOf(caller))
  if (rules.admit.length === 0 && rules.reserve.length === 0) return
  call.ticket = limiter.open(rules, limitFacts(call, caller, id))
  call.ticket.admit()
}

function stagesFor(serves: PacedRoute['serves'], rules: CompiledRules): StagedRules {
  if (serves === 'service') return rules.ofServices
  return serves === 'decision' ? rules.ofDecisions : rules
}

/** By what limits tell calls apart. */
export function limitFacts(call: Call, caller: Admitted, operation: string): CallFacts {
  const { id: key, project } = caller
  const network = networkOf(call.source)
  return { project, key, user: userOf(caller), client: clientOf(caller), network, operation }
}

/** Reserves what the call may use: of rates of tokens what it will likely be, of budgets what it can be at most. Throws `limits.*` and `budget.*`. */
export async function reserve(
  call: Call,
  route: OperationRoute,
  { factsOf }: Generation,
  grant: Grant<ModelTarget>,
  input: Input,
): Promise<Hold> {
  const { price, maxOutputTokens } = factsOf(grant.target)
  call.price = price
  if (call.ticket?.reserves) {
    const { json, body, model } = input
    const bound = boundUsage(route.format, route.id, json, body.length, maxOutputTokens)
    const unbounded = bound.unbounded ?? (bound.output === null ? 'the output: name a maximum of tokens' : null)
    const isBounded = unbounded === null && bound.output !== null
    const isPriced = isBounded && bound.unpriced === null
    const stated = boundOutput(route.format, route.id, json)
    const likely = Math.min(USUAL_OUTPUT_TOKENS, bound.output ?? USUAL_OUTPUT_TOKENS)
    const waiting = call.ticket.reserve({
      model,
      countedAs: countedAs(grant.target),
      inputTokens: bound.estimateInput,
      outputTokens: stated ?? likely,
      boundTokens: isBounded ? bound.input + bound.output : null,
      boundNanoUsd:
        price === null ? null : isFree(price) ? 0 : isPriced ? boundCost(bound.input, bound.output, price) : null,
      unbounded: unbounded ?? bound.unpriced,
    })
    if (waiting !== undefined) await waiting
  }
  return { grant, input, maxOutputTokens } as Hold
}

/** Takes of what else bounds a call to a service: of rates over more than an hour. Throws `limits.*` and `store.unavailable`. */
export async function reserveOfService({ ticket }: Call): Promise<void> {
  if (ticket?.reserves) await ticket.reserve(NO_MODEL)
}

const NO_MODEL = {
  model: '',
  countedAs: '',
  inputTokens: 0,
  outputTokens: 0,
  boundTokens: 0,
  boundNanoUsd: 0,
  unbounded: null,
} as const

/**
 * By which name limits count a model apart: a pattern lets callers make up names without end, so that only models that the
 * price list knows are counted by their own there, all others by the pattern.
 */
export function countedAs({ alias, model, providerModel }: ModelTarget): string {
  return alias === model || isListed(providerModel) ? model : alias
}

/** Whatever it uses, it costs nothing: there is nothing to bound. */
function isFree({ input, cachedInput, cacheWrite, output, request }: Price): boolean {
  return input + cachedInput + cacheWrite + output + request === 0
}

/** What the call did use takes the place of what was reserved, and is priced. To one that was refused all was given back. */
export function settle(call: Call): void {
  const { ticket, usage, price } = call
  if (usage !== null && price !== null) call.costNanoUsd = costOf(usage, price)
  ticket?.settle({ inputTokens: usage?.input ?? 0, outputTokens: usage?.output ?? 0, nanoUsd: call.costNanoUsd ?? 0 })
}
