import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { nextCursor, pageQuery, readPage } from '#admin/page.ts'
import type { Routing } from '#admin/routing.ts'
import { tokenView, viewToken } from '#admin/token-view.ts'
import type { Clock } from '#core/clock.ts'
import type { OperatorTokens } from '#keys/operator-tokens.ts'

const schema = {
  summary: 'List operator tokens, newest first',
  querystring: Type.Object(pageQuery('tok'), { additionalProperties: false }),
  response: { 200: Type.Object({ tokens: Type.Array(tokenView), next: nextCursor }) },
}

interface Deps {
  readonly tokens: Pick<OperatorTokens, 'list'>
  readonly clock: Clock
}

/** `GET /api/tokens` */
export function tokensList(routing: Routing, { tokens, clock }: Deps): void {
  routing.get('/api/tokens', { schema, config: { scope: 'tokens:read' } }, async request => {
    const { operator } = callerOf(request)
    const { items, next } = await readPage(request.query, page => tokens.list(page, operator))
    return { tokens: items.map(token => viewToken(token, clock())), next }
  })
}
