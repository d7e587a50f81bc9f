import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { etagOf } from '#admin/etag.ts'
import { displayName, environment, lifetime, projectRef, settings, toUpdate } from '#admin/key-schema.ts'
import { keyView, viewKey } from '#admin/key-view.ts'
import type { Routing } from '#admin/routing.ts'
import type { Clock } from '#core/clock.ts'
import type { Keys } from '#keys/keys.ts'

const schema = {
  summary: 'Mint an API key',
  body: Type.Object(
    {
      name: displayName,
      project: Type.Optional(projectRef),
      environment: Type.Optional(environment),
      expires_in: Type.Optional(
        Type.Union(lifetime.anyOf, {
          description: 'Lifetime in seconds; null = none; absent = the configured default.',
        }),
      ),
      ...settings,
    },
    { additionalProperties: false },
  ),
  response: {
    201: Type.Object({
      key: keyView,
      secret: Type.String({ description: 'The key’s whole text. It is shown here and never again.' }),
    }),
  },
}

/** `POST /api/keys` */
export function keysCreate(routing: Routing, { keys, clock }: { keys: Keys; clock: Clock }): void {
  routing.post(
    '/api/keys',
    { schema, config: { scope: 'keys:write', problems: ['key.lifetime_exceeded', 'project.not_found'] } },
    async (request, reply) => {
      const { name, project, environment = 'live', ...rest } = request.body
      const wanted = { ...toUpdate(rest), name, project, environment }
      const { record, secret } = await keys.mint(wanted, callerOf(request).actor)
      return reply
        .code(201)
        .header('etag', etagOf(record.version))
        .send({ key: viewKey(record, clock()), secret: secret.reveal() })
    },
  )
}
