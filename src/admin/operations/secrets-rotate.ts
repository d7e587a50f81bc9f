import Type from 'typebox'
import type { Routing } from '#admin/routing.ts'
import type { SecretOperations } from '#admin/secret-operations.ts'
import { SECRET_BODY_BYTES, secretName, secretValue, secretView, viewSecret } from '#admin/secret-view.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'
import { Secret } from '#core/secret.ts'

const schema = {
  summary: 'Give a secret a new value; the one before stays valid for a while',
  params: Type.Object({ name: secretName }),
  body: Type.Object(
    {
      value: secretValue,
      grace: Type.Integer({
        minimum: 0,
        maximum: 30 * 86_400,
        description: 'How long the value before stays valid, in seconds; 0 = it is destroyed at once.',
      }),
    },
    { additionalProperties: false },
  ),
  response: { 200: Type.Object({ secret: secretView }) },
}

/** `POST /api/secrets/:name/rotate` */
export function secretsRotate(routing: Routing, { secrets }: { secrets: SecretOperations }): void {
  const options = {
    schema,
    config: { scope: 'secrets:write', problems: ['secret.not_found', 'config.invalid'] } as const,
    bodyLimit: SECRET_BODY_BYTES,
  }
  routing.post('/api/secrets/:name/rotate', options, async request => {
    const by = callerOfWholeGateway(request)
    const { value, grace } = request.body
    return { secret: viewSecret(await secrets.rotate(request.params.name, new Secret(value), grace * 1000, by)) }
  })
}
