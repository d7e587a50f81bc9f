import { Problem } from '#core/problems.ts'
import { openBody } from '#http/body-stream.ts'
import type { Permitted } from '#policy/permit.ts'
import type { Place } from '#services/places.ts'
import type { Service } from '#services/service.ts'
import { admit, noteBegun, type Recording } from './admit.ts'
import type { Call } from './call.ts'
import type { Generation } from './generation.ts'
import { reserveOfService } from './limit-call.ts'
import { authorizeCall } from './permit-call.ts'
import type { PipelineOptions } from './pipeline-options.ts'
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
  options: Recording & Pick<PipelineOptions, 'tunnels'>,
): Promise<void> {
  call.inputAt = performance.now()
  const { service } = route
  const grant = authorizeCall(call, caller, route, generation) // 403
  const request = serviceRequest(call, route, caller, generation.identityHeaders) // 403
  const body = openServiceBody(call, service, generation) // 400 413
  using ends = new DisposableStack()
  // What nobody took of it must not stand in the way of the connection's end.
  ends.defer(() => body?.destroy())
  await reserveOfService(call) // 429 503
  const waitsFrom = performance.now()
  if (body !== null) await body.whenBegun() // 408: what nobody sends takes no connection
  const place = service.upstream.places.enter(caller.id) // 503
  ends.defer(place.leave)
  if (place.ready !== null) await awaitTurn(call, place) // 503
  // Neither was the gateway's own time.
  call.inputAt += performance.now() - waitsFrom
  await admit(call, options, grant) // 503
  if (call.gone) throw new Problem('request.caller_hung_up')
  const reply = new ServiceReply(call, route, generation.limits.timeoutMs, tunnel => {
    place.leave()
    noteBegun(call, options)
    options.tunnels.watch(call, route, tunnel)
  })
  const isUpgrade = route.action.group === 'services.connect'
  call.sentAt = performance.now()
  call.reply = reply
  reply.exchange = service.upstream.send({ ...request, body, ...(isUpgrade && { upgrade: 'websocket' }) }, reply)
  await reply.over // 502 504
}

/** Waits for the turn; who hangs up meanwhile leaves the line. */
async function awaitTurn(call: Call, place: Place): Promise<void> {
  call.res.on('close', place.leave)
  try {
    await place.ready
  } catch (problem) {
    throw call.gone ? new Problem('request.caller_hung_up') : problem
  } finally {
    call.res.off('close', place.leave)
  }
}

function openServiceBody(call: Call, { maxBodyBytes }: Service, { limits }: Generation) {
  const onBytes = (count: number) => {
    call.bytesIn += count
  }
  return openBody(call.req, call.res, { maxBytes: maxBodyBytes, stallMs: limits.headTimeoutMs, onBytes })
}
