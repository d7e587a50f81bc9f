import { callerOf } from '#admin/caller.ts'
import type { Routing } from '#admin/routing.ts'
import { oneToken, viewToken } from '#admin/token-view.ts'
import type { Clock } from '#core/clock.ts'
import type { OperatorTokens } from '#keys/operator-tokens.ts'

const schema = oneToken('Show an operator token')

interface Deps {
  readonly tokens: Pick<OperatorTokens, 'show'>
  readonly clock: Clock
}

/** `GET /api/tokens/:id` */
export function tokensShow(routing: Routing, { tokens, clock }: Deps): void {
  const config = { scope: 'tokens:read', problems: ['token.not_found'] } as const
  routing.get('/api/tokens/:id', { schema, config }, async request => {
    const token = await tokens.show(request.params.id, callerOf(request).operator)
    return { token: viewToken(token, clock()) }
  })
}
