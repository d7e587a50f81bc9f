import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { keyId, projectRef } from '#admin/key-schema.ts'
import type { Routing } from '#admin/routing.ts'
import { type BulkRevocation, MAX_REVOCATIONS } from '#keys/bulk-revocation.ts'

const strict = { additionalProperties: false }

const schema = {
  operationId: 'keysRevokeMany',
  summary: `Revoke many API keys, at most ${MAX_REVOCATIONS} a request`,
  body: Type.Union([
    Type.Object(
      { ids: Type.Array(keyId, { minItems: 1, maxItems: MAX_REVOCATIONS, description: 'Ids of keys.' }) },
      strict,
    ),
    Type.Object({ project: projectRef }, strict),
    Type.Object(
      {
        prefix: Type.String({
          pattern: '^[a-z][a-z0-9]{1,11}_(?:live|test)_(?:…[0-9A-Za-z]{4})?$',
          maxLength: 24,
          description: 'Prefix and environment, such as `sk_live_`, or a whole hint, `sk_live_…abcd`.',
          examples: ['sk_live_'],
        }),
      },
      strict,
    ),
  ]),
  response: {
    200: Type.Object({
      revoked: Type.Array(Type.String(), { description: 'Ids of the keys that this request ended.' }),
      unknown: Type.Array(Type.String(), { description: 'Ids of no key.' }),
      more: Type.Boolean({ description: 'There are further ones: repeat the request.' }),
    }),
  },
}

/** `POST /api/keys/revoke` */
export function keysRevokeMany(routing: Routing, { bulk }: { bulk: BulkRevocation }): void {
  routing.post(
    '/api/keys/revoke',
    { schema, config: { scope: 'keys:write', problems: ['project.not_found'] } },
    async request => {
      const { revoked, unknown, more } = await bulk.revoke(request.body, callerOf(request).actor)
      return { revoked: [...revoked], unknown: [...unknown], more }
    },
  )
}
