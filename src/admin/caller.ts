import type { FastifyRequest } from 'fastify'
import type { Actor } from '#core/actor.ts'
import { mayGrant, type Operator } from '#core/operator.ts'

/** Who calls an operation. */
export interface Caller {
  readonly operator: Operator
  /** The same, as the event of a change names it. */
  readonly actor: Actor
}

const callers = new WeakMap<FastifyRequest, Caller>()

export function admitCaller(request: FastifyRequest, operator: Operator): void {
  const source = request.socket.remoteAddress ?? null
  const { id, projects } = operator
  const actor = { id, source, requestId: request.id, projects, mayGrant: mayGrant(operator) }
  callers.set(request, { operator, actor })
}

/** The caller of a guarded operation. */
export function callerOf(request: FastifyRequest<never> | FastifyRequest): Caller {
  const caller = callers.get(request as FastifyRequest)
  if (caller === undefined) throw new TypeError('The operation is not guarded')
  return caller
}
