import Type from 'typebox'
import type { Routing } from '#admin/routing.ts'
import type { SecretOperations } from '#admin/secret-operations.ts'
import { secretName } from '#admin/secret-view.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'

const schema = {
  summary: 'Destroy a secret that the configuration does not refer to',
  params: Type.Object({ name: secretName }),
  response: { 200: Type.Object({ deleted: Type.String({ description: 'Its name.', examples: ['openai'] }) }) },
}

/** `DELETE /api/secrets/:name` */
export function secretsDelete(routing: Routing, { secrets }: { secrets: SecretOperations }): void {
  routing.delete(
    '/api/secrets/:name',
    { schema, config: { scope: 'secrets:write', problems: ['secret.not_found', 'secret.in_use'] } },
    async request => {
      const by = callerOfWholeGateway(request)
      await secrets.delete(request.params.name, by)
      return { deleted: request.params.name }
    },
  )
}
