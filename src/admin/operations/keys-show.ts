import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { etagOf } from '#admin/etag.ts'
import { keyId } from '#admin/key-schema.ts'
import { keyView, viewKey } from '#admin/key-view.ts'
import type { Routing } from '#admin/routing.ts'
import type { Clock } from '#core/clock.ts'
import type { Keys } from '#keys/keys.ts'

const schema = {
  summary: 'Show an API key',
  params: Type.Object({ id: keyId }),
  response: { 200: Type.Object({ key: keyView }) },
}

/** `GET /api/keys/:id` */
export function keysShow(routing: Routing, { keys, clock }: { keys: Keys; clock: Clock }): void {
  routing.get(
    '/api/keys/:id',
    { schema, config: { scope: 'keys:read', problems: ['key.not_found'] } },
    async (request, reply) => {
      const key = await keys.find(request.params.id, callerOf(request).actor)
      return reply.header('etag', etagOf(key.version)).send({ key: viewKey(key, clock()) })
    },
  )
}
