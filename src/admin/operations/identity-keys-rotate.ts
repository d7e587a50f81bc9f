import Type from 'typebox'
import type { IdentityKeyOperations } from '#admin/identity-key-operations.ts'
import { identityKeyView, viewIdentityKey } from '#admin/identity-key-view.ts'
import type { Routing } from '#admin/routing.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'

const schema = {
  summary: 'Have a new key sign who calls a service',
  body: Type.Object(
    {
      immediately: Type.Boolean({
        description:
          '`false`: a key is published now and signs a day from now, so that no service meets a key it cannot know. `true`, where a key may be known to others: it signs at once, and all before are withdrawn.',
      }),
    },
    { additionalProperties: false },
  ),
  response: {
    200: Type.Object({ keys: Type.Array(identityKeyView, { description: 'In the order in which they sign.' }) }),
  },
}

/** `POST /api/identity-keys/rotate` */
export function identityKeysRotate(routing: Routing, { identityKeys }: { identityKeys: IdentityKeyOperations }): void {
  const config = { scope: 'secrets:write', problems: ['key.rotation_pending'] } as const
  routing.post('/api/identity-keys/rotate', { schema, config }, async request => {
    const by = callerOfWholeGateway(request)
    const keys = await identityKeys.rotate(request.body.immediately, by)
    return { keys: keys.map(viewIdentityKey) }
  })
}
