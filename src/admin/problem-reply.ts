import type { FastifyError, FastifyReply } from 'fastify'
import { Problem, toProblemJson } from '#core/problems.ts'

/** Answers a problem as RFC 9457 says. */
export function sendProblem(reply: FastifyReply, problem: Problem, requestId: string): FastifyReply {
  return (
    reply
      .code(problem.status)
      // What the router cannot read meets no hook that would set the first two.
      .headers({ 'x-request-id': requestId, 'cache-control': 'no-store', ...problem.headers })
      .type('application/problem+json')
      .send(JSON.stringify(toProblemJson(problem, requestId)))
  )
}

/** The registered problem of whatever Fastify or an operation has thrown. */
export function toProblem(error: FastifyError | Problem): Problem {
  if (error instanceof Problem) return error
  if (error.validation !== undefined) {
    return new Problem('admin.invalid_input', { detail: error.message, cause: error })
  }
  switch (error.statusCode) {
    case 400:
      return new Problem('admin.invalid_input', { detail: error.message, cause: error })
    case 414:
      return new Problem('route.not_found', { cause: error })
    case 413:
      return new Problem('request.too_large', { cause: error })
    case 415:
      return new Problem('request.unsupported_media_type', { cause: error })
    default:
      return new Problem('gateway.internal', { cause: error })
  }
}
