import type { IncomingMessage, ServerResponse } from 'node:http'
import { newId } from '#core/ids.ts'
import { Call } from './call.ts'
import type { Generation } from './generation.ts'
import { takeQuestion } from './take-question.ts'

/** A call of who sent the request; or, where a proxy asks about a request that it was sent, of who sent that. */
export function beginCall(req: IncomingMessage, res: ServerResponse, now: number, generation: Generation): Call {
  return new Call(newId('req', now), req, res, now, generation, takeQuestion(req, generation.findProxy))
}
