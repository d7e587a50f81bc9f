import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { etagOf } from '#admin/etag.ts'
import { keyId } from '#admin/key-schema.ts'
import { keyView, viewKey } from '#admin/key-view.ts'
import type { Routing } from '#admin/routing.ts'
import type { Clock } from '#core/clock.ts'
import { type Keys, MAX_GRACE_MS } from '#keys/keys.ts'

const schema = {
  summary: 'Give an API key a new secret',
  params: Type.Object({ id: keyId }),
  body: Type.Object(
    {
      grace: Type.Integer({
        minimum: 0,
        maximum: MAX_GRACE_MS / 1000,
        description: 'Seconds for which earlier secrets still work; 0 = they end at once.',
      }),
    },
    { additionalProperties: false },
  ),
  response: {
    200: Type.Object({
      key: keyView,
      secret: Type.String({ description: 'The new text of the key. It is shown here and never again.' }),
    }),
  },
}

/** `POST /api/keys/:id/rotate` */
export function keysRotate(routing: Routing, { keys, clock }: { keys: Keys; clock: Clock }): void {
  routing.post(
    '/api/keys/:id/rotate',
    { schema, config: { scope: 'keys:write', problems: ['key.not_found', 'key.ended', 'key.too_many_secrets'] } },
    async (request, reply) => {
      const graceMs = request.body.grace * 1000
      const { record, secret } = await keys.rotate(request.params.id, graceMs, callerOf(request).actor)
      return reply
        .header('etag', etagOf(record.version))
        .send({ key: viewKey(record, clock()), secret: secret.reveal() })
    },
  )
}
