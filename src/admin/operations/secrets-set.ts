import Type from 'typebox'
import type { Routing } from '#admin/routing.ts'
import type { SecretOperations } from '#admin/secret-operations.ts'
import { SECRET_BODY_BYTES, secretName, secretValue, secretView, viewSecret } from '#admin/secret-view.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'
import { Secret } from '#core/secret.ts'

const schema = {
  summary: 'Set a secret; what it was before is destroyed',
  params: Type.Object({ name: secretName }),
  body: Type.Object({ value: secretValue }, { additionalProperties: false }),
  response: { 200: Type.Object({ secret: secretView }) },
}

/** `PUT /api/secrets/:name` */
export function secretsSet(routing: Routing, { secrets }: { secrets: SecretOperations }): void {
  const options = {
    schema,
    config: { scope: 'secrets:write', problems: ['secret.too_many', 'config.invalid'] } as const,
    bodyLimit: SECRET_BODY_BYTES,
  }
  routing.put('/api/secrets/:name', options, async request => {
    const by = callerOfWholeGateway(request)
    const secret = await secrets.set(request.params.name, new Secret(request.body.value), by)
    return { secret: viewSecret(secret) }
  })
}
