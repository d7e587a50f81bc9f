import Type, { type Static } from 'typebox'
import type { Routing } from '#admin/routing.ts'
import type { SecretOperations } from '#admin/secret-operations.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'

const step = Type.Object({
  kek_id: Type.String({ description: 'The key-encryption key that wraps now.', examples: ['5f0c2a9be41d'] }),
  rewrapped: Type.Integer({ description: 'Data keys that this step put under it.' }),
  remaining: Type.Integer({ description: 'Data keys still under others: ask again until there are none.' }),
  removed: Type.Array(Type.String(), { description: 'Earlier keys that nothing used any more and that were deleted.' }),
  kept: Type.Array(
    Type.Object({
      kek_id: Type.String({ description: 'An earlier key.', examples: ['1b7e40c2d9aa'] }),
      used_by: Type.Array(Type.String(), { description: 'Members that need it.' }),
    }),
    {
      description: 'Earlier keys that sealed members of the configuration still need.',
    },
  ),
})

const schema = {
  summary: 'Bring data keys under a new key-encryption key, one batch a request',
  response: { 200: step },
}

/** `POST /api/secrets/rewrap` */
export function secretsRewrap(routing: Routing, { secrets }: { secrets: SecretOperations }): void {
  routing.post('/api/secrets/rewrap', { schema, config: { scope: 'secrets:write' } }, async request => {
    const { kekId, rewrapped, remaining, removed, kept } = await secrets.rewrap(callerOfWholeGateway(request))
    return {
      kek_id: kekId,
      rewrapped,
      remaining,
      removed: [...removed],
      kept: kept.map(({ kekId, usedBy }) => ({ kek_id: kekId, used_by: [...usedBy] })),
    }
  })
}

export type RewrapView = Static<typeof step>
