import { callerOf } from '#admin/caller.ts'
import type { Routing } from '#admin/routing.ts'
import { oneToken, viewToken } from '#admin/token-view.ts'
import type { Clock } from '#core/clock.ts'
import type { OperatorTokens } from '#keys/operator-tokens.ts'

const schema = oneToken('Revoke an operator token, now and for good')

interface Deps {
  readonly tokens: Pick<OperatorTokens, 'revoke'>
  readonly clock: Clock
}

/** `POST /api/tokens/:id/revoke` */
export function tokensRevoke(routing: Routing, { tokens, clock }: Deps): void {
  const config = { scope: 'tokens:write', problems: ['token.not_found'] } as const
  routing.post('/api/tokens/:id/revoke', { schema, config }, async request => {
    const token = await tokens.revoke(request.params.id, callerOf(request))
    return { token: viewToken(token, clock()) }
  })
}
