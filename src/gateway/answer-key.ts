import { isOperationId } from '#core/operations.ts'
import { Problem } from '#core/problems.ts'
import type { Limiter } from '#limits/limiter.ts'
import type { Standing } from '#limits/standing.ts'
import type { Admitted } from '#policy/check-address.ts'
import type { Call } from './call.ts'
import { nonceHeader } from './challenge.ts'
import { expiryHeader } from './expiry-header.ts'
import type { Generation } from './generation.ts'
import { countedAs, limitFacts } from './limit-call.ts'
import { mayCall } from './may-call.ts'
import type { KeyRoute } from './routes.ts'

const NANO = 1e9

/**
 * Prepares what callers may know of their own key: what it is, its limits and budgets as they stand. It asks for no scope
 * and takes of no limit. The query may name a `model` and an `operation`: then only their limits are told, also those
 * that count each of them apart.
 */
export async function answerKey(
  call: Call,
  route: KeyRoute,
  caller: Admitted,
  generation: Generation,
  limiter: Limiter,
): Promise<void> {
  const query = new URLSearchParams(route.query)
  const operation = query.get('operation')
  const isOfService = operation !== null && generation.services.operations.has(operation)
  if (operation !== null && !isOfService && !isOperationId(operation))
    throw new Problem('route.not_found', { detail: 'There is no such operation.' })
  const model = modelOf(query.get('model'), call, caller, generation)
  const rules = isOfService ? generation.rulesOf(caller).ofServices : generation.rulesOf(caller)
  const standing = await limiter.look(rules, limitFacts(call, caller, ''), operation, model)
  const { id, project, environment, expiresAt, ceilings } = caller
  const body = JSON.stringify({
    id,
    project,
    environment,
    expires_at: timeOf(expiresAt),
    scopes: ceilings.scopes && [...ceilings.scopes],
    ...render(standing),
  })
  call.bytesOut = Buffer.byteLength(body)
  const headers = [
    'content-type',
    'application/json',
    'content-length',
    String(call.bytesOut),
    'cache-control',
    'no-store',
    'x-request-id',
    call.id,
    ...nonceHeader(call),
    ...expiryHeader(call),
  ]
  call.answer = () => {
    call.answer = null
    call.res.writeHead(200, headers)
    call.res.end(body)
  }
}

/** Only what the caller may call, so that nobody makes counters of names that they make up. */
function modelOf(
  name: string | null,
  call: Call,
  caller: Admitted,
  generation: Generation,
): { name: string; countedAs: string } | null {
  if (name === null) return null
  const target = generation.catalog.lookUp(name)
  if (target === null || !mayCall(call, generation, caller, target)) throw new Problem('model.not_found')
  return { name, countedAs: countedAs(target) }
}

function render({ rates, budgets }: Standing): object {
  return {
    limits: rates.map(({ name, unit, limit, windowSeconds, remaining, resetSeconds }) => ({
      name,
      unit,
      limit,
      remaining,
      window_seconds: windowSeconds,
      reset_seconds: resetSeconds,
    })),
    budgets: budgets.map(({ name, unit, limit, remaining, period, resetsAt }) => ({
      name,
      unit,
      limit: unit === 'usd' ? limit / NANO : limit,
      remaining: unit === 'usd' ? remaining / NANO : remaining,
      period,
      resets_at: timeOf(resetsAt),
    })),
  }
}

function timeOf(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}
