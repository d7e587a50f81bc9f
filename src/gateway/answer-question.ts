import { Problem } from '#core/problems.ts'
import { discardBody } from '#http/discard-body.ts'
import type { Permitted } from '#policy/permit.ts'
import type { Call } from './call.ts'
import { nonceHeader } from './challenge.ts'
import { expiryHeader } from './expiry-header.ts'
import type { Generation } from './generation.ts'
import { reserveOfService } from './limit-call.ts'
import { limitHeaders } from './limit-headers.ts'
import { authorizeCall } from './permit-call.ts'
import type { DecisionRoute } from './routes.ts'

/**
 * Prepares the answer that a proxy may pass a call on, with who calls, for `finish` to send: it leaves when the event of the
 * decision is as durable as events are. Rejects with `policy.environment`,
 * `policy.denied`, `limits.*` and `store.unavailable`.
 */
export async function answerQuestion(
  call: Call,
  route: DecisionRoute,
  caller: Permitted,
  generation: Generation,
): Promise<void> {
  const { service, format, uri } = route
  const grant = authorizeCall(call, caller, route, generation)
  await reserveOfService(call) // rates over more than an hour
  if (call.gone) throw new Problem('request.caller_hung_up')
  const headers = ['content-length', '0', 'cache-control', 'no-store', 'x-request-id', call.id]
  if (service.identity) {
    const request = { method: call.req.method ?? '', uri }
    const use = { service: service.name, callId: call.id, at: call.at, request }
    headers.push(...generation.identityHeaders(grant.principal, use))
  }
  headers.push(...nonceHeader(call), ...expiryHeader(call), ...limitHeaders(format, call.ticket, call.at))
  call.answer = () => {
    call.answer = null
    call.res.writeHead(200, headers)
    call.res.end()
    discardBody(call.req)
  }
}
