import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { keyView, viewKey } from '#admin/key-view.ts'
import type { Routing } from '#admin/routing.ts'
import type { Clock } from '#core/clock.ts'
import type { Keys } from '#keys/keys.ts'

const schema = {
  summary: 'Mint an API key',
  body: Type.Object(
    {
      // No control characters: they would write to an operator's terminal, and PostgreSQL keeps no NUL.
      name: Type.String({
        minLength: 1,
        maxLength: 128,
        pattern: '^(?=.*\\S)[^\\x00-\\x1f\\x7f-\\x9f]*$',
        description: 'Who or what uses it.',
        examples: ['checkout'],
      }),
      environment: Type.Optional(
        Type.Union([Type.Literal('live'), Type.Literal('test')], {
          description: 'Which providers it reaches; absent = live.',
        }),
      ),
      expires_in: Type.Optional(
        Type.Union([Type.Integer({ minimum: 1, maximum: 3_153_600_000 }), Type.Null()], {
          description: 'Lifetime in seconds; null = none; absent = the configured default.',
        }),
      ),
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
    { schema, config: { scope: 'keys:write', problems: ['key.lifetime_exceeded'] } },
    async (request, reply) => {
      const { name, environment = 'live', expires_in: seconds } = request.body
      const lifetimeMs = typeof seconds === 'number' ? seconds * 1000 : seconds
      const { record, secret } = await keys.mint({ name, environment, lifetimeMs }, callerOf(request).actor)
      return reply.code(201).send({ key: viewKey(record, clock()), secret: secret.reveal() })
    },
  )
}
