import Type from 'typebox'
import type { Routing } from '#admin/routing.ts'
import type { SecretOperations } from '#admin/secret-operations.ts'
import { secretName, secretView, viewSecret } from '#admin/secret-view.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'

const schema = {
  summary: 'List the vault’s secrets by name, without their values',
  querystring: Type.Object(
    {
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 1000, description: 'How many to answer at most; absent = 100.' }),
      ),
      after: Type.Optional(Type.String({ ...secretName, description: 'Name of the last secret of the page before.' })),
    },
    { additionalProperties: false },
  ),
  response: {
    200: Type.Object({
      secrets: Type.Array(secretView, { description: 'One page.' }),
      next: Type.Union([Type.String(), Type.Null()], {
        description: '`after` of the next page; null = this is the last.',
        examples: [null],
      }),
    }),
  },
}

/** `GET /api/secrets` */
export function secretsList(routing: Routing, { secrets }: { secrets: SecretOperations }): void {
  routing.get('/api/secrets', { schema, config: { scope: 'secrets:read' } }, async request => {
    callerOfWholeGateway(request)
    const { limit = 100, after } = request.query
    // One more than asked for tells whether there is a next page.
    const found = await secrets.list({ limit: limit + 1, after })
    const page = found.slice(0, limit)
    return { secrets: page.map(viewSecret), next: found.length > limit ? (page.at(-1)?.name ?? null) : null }
  })
}
