import type { FastifyRequest } from 'fastify'
import type { Refusal } from '#audit/recorder.ts'
import type { Clock } from '#core/clock.ts'
import type { Operator } from '#core/operator.ts'
import { Problem } from '#core/problems.ts'
import type { OperatorTokens } from '#keys/operator-tokens.ts'
import { admitCaller } from './caller.ts'
import type { FailedAttempts } from './failed-attempts.ts'

interface GuardOptions {
  readonly tokens: Pick<OperatorTokens, 'verify'>
  readonly attempts: FailedAttempts
  /** Told of every refusal, which is an event. */
  readonly onRefused: (refusal: Refusal) => void
  readonly clock: Clock
}

const BEARER = /^bearer +([^ ]+)$/i

/** Lets an operation's request pass if it carries a valid operator token that has the operation's scope. */
export function createGuard(options: GuardOptions): (request: FastifyRequest) => Promise<void> {
  return async request => {
    const operator = await authenticate(request, options)
    const { scope } = request.routeOptions.config
    if (scope === undefined || (scope !== 'any' && !operator.scopes.has(scope))) {
      refuse(request, options, { problem: 'admin.forbidden', reason: 'scope', credential: operator.id })
      throw new Problem('admin.forbidden', {
        detail: `The token lacks the scope ${scope}.`,
        headers: { 'www-authenticate': `Bearer realm="ostiary-admin", error="insufficient_scope", scope="${scope}"` },
      })
    }
    admitCaller(request, operator)
  }
}

async function authenticate(request: FastifyRequest, options: GuardOptions): Promise<Operator> {
  const presented = BEARER.exec(request.headers.authorization ?? '')?.[1]
  const verdict =
    presented === undefined
      ? ({ refused: 'missing', credential: null } as const)
      : await options.tokens.verify(presented)
  if (!('refused' in verdict)) return verdict
  const { refused, credential } = verdict
  refuse(request, options, { problem: 'admin.unauthorized', reason: refused, credential })
  // Nobody guesses a token that was valid once, or by sending none.
  if (credential === null && presented !== undefined) await options.attempts.count(sourceOf(request))
  throw new Problem('admin.unauthorized', { headers: { 'www-authenticate': 'Bearer realm="ostiary-admin"' } })
}

function refuse(
  request: FastifyRequest,
  { onRefused, clock }: GuardOptions,
  refusal: Pick<Refusal, 'problem' | 'reason' | 'credential'>,
): void {
  const route = `admin.${request.routeOptions.config.operationId}`
  onRefused({ id: request.id, at: clock(), source: sourceOf(request), route, ...refusal })
}

function sourceOf(request: FastifyRequest): string {
  return request.socket.remoteAddress ?? ''
}
