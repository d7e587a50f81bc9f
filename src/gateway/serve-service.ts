import { Problem } from '#core/problems.ts'
import { openBody } from '#http/body-stream.ts'
import type { Permitted } from '#policy/permit.ts'
import { admit, type Recording } from './admit.ts'
import type { Call } from './call.ts'
import type { Generation } from './generation.ts'
import { reserveOfService } from './limit-call.ts'
import { authorizeCall } from './permit-call.ts'
import type { ServiceRoute } from './routes.ts'
import { ServiceReply } from './service-reply.ts'
import { serviceRequest } from './service-request.ts'

/**
 * Passes a call on to its service, and the answer back; resolves when that has left or the caller is gone. Rejects with
 * `policy.*`, `request.*`, `events.not_recordable` and `upstream.*`.
 */
export async function serveService(
  call: Call,
  route: ServiceRoute,
  caller: Permitted,
  generation: Generation,
  options: Recording,
): Promise<void> {
  call.inputAt = performance.now()
  const { service } = route
  const grant = authorizeCall(call, caller, route, generation) // 403
  const request = serviceRequest(call, route, caller, generation.identityHeaders) // 403
  const onBytes = (count: number) => {
    call.bytesIn += count
  }
  const isUpgrade = route.action.group === 'services.connect'
  const body = openBody(call.req, call.res, { maxBytes: service.maxBodyBytes, onBytes }) // 400 413
  await reserveOfService(call) // 429 503
  await admit(call, options, grant) // 503
  if (call.gone) throw new Problem('request.caller_hung_up')
  const reply = new ServiceReply(call, route, generation.limits.timeoutMs)
  call.sentAt = performance.now()
  call.reply = reply
  reply.exchange = service.upstream.send({ ...request, body, ...(isUpgrade && { upgrade: 'websocket' }) }, reply)
  await reply.over // 502 504
}
