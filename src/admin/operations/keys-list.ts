import Type from 'typebox'
import { keyView, viewKey } from '#admin/key-view.ts'
import type { Routing } from '#admin/routing.ts'
import type { Clock } from '#core/clock.ts'
import type { Keys } from '#keys/keys.ts'

const schema = {
  summary: 'List API keys, newest first',
  querystring: Type.Object(
    {
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 1000, description: 'How many to answer at most; absent = 100.' }),
      ),
      after: Type.Optional(
        Type.String({ pattern: '^key_[0-9a-z]{26}$', description: 'Id of the last key of the page before.' }),
      ),
    },
    { additionalProperties: false },
  ),
  response: {
    200: Type.Object({ keys: Type.Array(keyView), next: Type.Union([Type.String(), Type.Null()]) }),
  },
}

/** `GET /api/keys` */
export function keysList(routing: Routing, { keys, clock }: { keys: Keys; clock: Clock }): void {
  routing.get('/api/keys', { schema, config: { scope: 'keys:read' } }, async request => {
    const { limit = 100, after } = request.query
    // One more than asked for tells whether there is a next page.
    const found = await keys.list({ limit: limit + 1, after })
    const page = found.slice(0, limit)
    return {
      keys: page.map(key => viewKey(key, clock())),
      next: found.length > limit ? (page.at(-1)?.id ?? null) : null,
    }
  })
}
