import type { FastifyRequest } from 'fastify'
import type { Actor } from '#core/actor.ts'
import { Problem } from '#core/problems.ts'
import { callerOf } from './caller.ts'

/** Who asks for what belongs to no project. Throws `admin.forbidden` for an operator of some projects, whatever is asked. */
export function callerOfWholeGateway(request: FastifyRequest<never> | FastifyRequest): Actor {
  const { operator, actor } = callerOf(request)
  if (operator.projects === null) return actor
  throw new Problem('admin.forbidden', { detail: 'The token is limited to projects, and this belongs to none.' })
}
