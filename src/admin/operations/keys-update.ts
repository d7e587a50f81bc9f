import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { etagOf, requireMatch } from '#admin/etag.ts'
import { displayName, keyId, lifetime, settings, toUpdate } from '#admin/key-schema.ts'
import { keyView, viewKey } from '#admin/key-view.ts'
import type { Routing } from '#admin/routing.ts'
import type { Clock } from '#core/clock.ts'
import type { Keys } from '#keys/keys.ts'

const schema = {
  summary: 'Change an API key; what is absent stays',
  params: Type.Object({ id: keyId }),
  body: Type.Object(
    {
      name: Type.Optional(displayName),
      expires_in: Type.Optional(
        Type.Union(lifetime.anyOf, { description: 'Seconds from now on until its end; null = none.' }),
      ),
      ...settings,
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  response: { 200: Type.Object({ key: keyView }) },
}

/** `PATCH /api/keys/:id` */
export function keysUpdate(routing: Routing, { keys, clock }: { keys: Keys; clock: Clock }): void {
  routing.patch(
    '/api/keys/:id',
    {
      schema,
      config: {
        scope: 'keys:write',
        problems: ['key.not_found', 'key.ended', 'key.lifetime_exceeded', 'admin.precondition_failed'],
      },
    },
    async (request, reply) => {
      const key = await keys.update(request.params.id, toUpdate(request.body), callerOf(request).actor, before =>
        requireMatch(request, before.version),
      )
      return reply.header('etag', etagOf(key.version)).send({ key: viewKey(key, clock()) })
    },
  )
}
