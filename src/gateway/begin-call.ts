import type { IncomingMessage, ServerResponse } from 'node:http'
import { newId } from '#core/ids.ts'
import { Problem } from '#core/problems.ts'
import { Call } from './call.ts'
import type { Generation } from './generation.ts'
import { takeQuestion } from './take-question.ts'

/** A call of `client`; or, where a proxy asks about a request that it was sent, of who sent that. */
export function beginCall(
  req: IncomingMessage,
  res: ServerResponse,
  client: string | Problem,
  now: number,
  generation: Generation,
): Call {
  const taken = takeQuestion(req, generation.findProxy)
  const asked = typeof taken === 'string' ? null : taken
  const caller = asked === null || asked.question instanceof Problem ? client : asked.question.source
  const call = new Call(newId('req', now), req, res, caller, now, generation, asked)
  if (typeof taken === 'string') call.noProxy = taken
  return call
}
