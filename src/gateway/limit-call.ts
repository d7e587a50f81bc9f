import { networkOf } from '#core/network.ts'
import type { OperationId } from '#core/operations.ts'
import type { Limiter } from '#limits/limiter.ts'
import type { CallFacts } from '#limits/rules.ts'
import type { Grant } from '#policy/authorize.ts'
import type { Admitted } from '#policy/check-address.ts'
import type { Permitted } from '#policy/permit.ts'
import type { ModelTarget } from '#providers/catalog.ts'
import { boundOutput, boundUsage } from '#providers/usage/bound.ts'
import { USUAL_OUTPUT_TOKENS } from '#providers/usage/estimate.ts'
import { boundCost, costOf } from '#usage/cost.ts'
import type { Call } from './call.ts'
import type { Generation } from './generation.ts'
import type { Input } from './read-input.ts'
import type { OperationRoute } from './routes.ts'

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
  id: OperationId,
): void {
  const rules = rulesOf(caller)
  if (rules.admit.length === 0 && rules.reserve.length === 0) return
  call.ticket = limiter.open(rules, limitFacts(call, caller, id))
  call.ticket.admit()
}

/** By what limits tell calls apart. */
export function limitFacts(call: Call, { id: key, project }: Admitted, operation: string): CallFacts {
  return { project, key, network: networkOf(call.source), operation }
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
  if (call.ticket !== null) {
    const { json, body, model } = input
    const bound = boundUsage(route.format, route.id, json, body.length, maxOutputTokens)
    const unbounded = bound.unbounded ?? (bound.output === null ? 'the output: name a maximum of tokens' : null)
    const isBounded = unbounded === null && bound.output !== null
    const stated = boundOutput(route.format, route.id, json)
    const likely = Math.min(USUAL_OUTPUT_TOKENS, bound.output ?? USUAL_OUTPUT_TOKENS)
    const waiting = call.ticket.reserve({
      model,
      inputTokens: bound.estimateInput,
      outputTokens: stated ?? likely,
      boundTokens: isBounded ? bound.input + bound.output : null,
      boundNanoUsd: isBounded && price !== null ? boundCost(bound.input, bound.output, price) : null,
      unbounded,
    })
    if (waiting !== undefined) await waiting
  }
  return { grant, input, maxOutputTokens } as Hold
}

/** What the call did use takes the place of what was reserved, and is priced; a call that the gateway refused has used nothing. */
export function settle(call: Call): void {
  const { ticket, usage, price } = call
  if (usage !== null && price !== null) call.costNanoUsd = costOf(usage, price)
  if (ticket === null) return
  if (call.sentAt === 0 && call.problem !== null) ticket.refund()
  else
    ticket.settle({ inputTokens: usage?.input ?? 0, outputTokens: usage?.output ?? 0, nanoUsd: call.costNanoUsd ?? 0 })
}
