import type { IncomingMessage, ServerResponse } from 'node:http'
import { Problem } from '#core/problems.ts'
import { authorize } from '#policy/authorize.ts'
import { checkAddress } from '#policy/check-address.ts'
import { admit } from './admit.ts'
import { answerKey } from './answer-key.ts'
import { answerModels } from './answer-models.ts'
import { answerQuestion } from './answer-question.ts'
import { beginCall } from './begin-call.ts'
import { checkAccess } from './check-access.ts'
import { decideModel } from './decide-call.ts'
import { finish } from './finish.ts'
import { forward } from './forward.ts'
import { reserve, settle, takePace } from './limit-call.ts'
import { permitCall } from './permit-call.ts'
import type { PipelineOptions } from './pipeline-options.ts'
import { readInput } from './read-input.ts'
import { relay } from './relay.ts'
import { findRoute } from './routes.ts'
import { serveService } from './serve-service.ts'

/** A request's life, from its head to its event; `client` = where it comes from. Beside each stage stand the statuses it may refuse with. */
export function createPipeline(options: PipelineOptions) {
  const { overload, limiter } = options
  return async (req: IncomingMessage, res: ServerResponse, client: string | Problem): Promise<void> => {
    const now = options.clock()
    const generation = options.current()
    const { authenticate, catalog, limits } = generation
    const call = beginCall(req, res, client, now, generation)
    generation.enter()
    try {
      const route = call.routed(findRoute(req, generation.services, call.asked ?? call.noProxy)) // a dead end waits until the caller is known
      checkAccess(call.client, generation.allowsAddress) // 400 403: nobody's credential matters
      const verdict = await authenticate(req, route.query, call) // 400 503
      if (verdict instanceof Problem) return overload.refuse(call, verdict) // 401, or 503 while overloaded
      const principal = call.identified(verdict)
      overload.enter(call, principal) // 503: beyond its project's share, while overloaded
      const admitted = checkAddress(principal, call.source) // 403
      options.recorder.ensureRecordable() // 503: what cannot be recorded is not done
      if (route.serves === 'nothing') throw route.problem // 400 403 404 405
      if (route.serves === 'key') return await answerKey(call, route, admitted, generation, limiter)
      const caller = permitCall(call, admitted, route, generation) // 401 403
      takePace(call, generation, limiter, caller, route) // 429: requests, calls at once
      if (route.serves === 'decision') return await answerQuestion(call, route, caller, generation) // 403 429
      if (route.serves === 'service') return await serveService(call, route, caller, generation, options) // 403 413 502 504
      if (route.serves === 'models') return await answerModels(call, route, caller, generation, options) // 404
      const input = await readInput(call, route, limits) // 400 403 413 415
      const target = catalog.find(input.model, route.format) // 400 404
      const grant = authorize(caller, target, () => decideModel(call, generation, caller, route, input, target)) // 403
      const hold = await reserve(call, route, generation, grant, input) // 402 429: tokens, money
      await admit(call, options, hold.grant) // 503: if events are durable, on record before it is done
      const reply = await forward(call, route, hold) // 502 504
      await relay(call, reply, limits.timeoutMs) // bytes through, until the answer has left
    } catch (error) {
      if (!(error instanceof Problem)) options.logFailure(call.id, error)
      overload.refuse(call, error instanceof Problem ? error : new Problem('gateway.internal', { cause: error }))
    } finally {
      settle(call) // what was used takes the place of what was reserved
      overload.leave(call)
      finish(call, options) // the one event, on every path; what the gateway itself answers leaves after it
      generation.leave()
    }
  }
}
