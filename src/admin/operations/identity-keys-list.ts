import Type from 'typebox'
import type { IdentityKeyOperations } from '#admin/identity-key-operations.ts'
import { identityKeyView, viewIdentityKey } from '#admin/identity-key-view.ts'
import type { Routing } from '#admin/routing.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'

const schema = {
  summary: 'List the keys that sign who calls a service',
  response: {
    200: Type.Object({ keys: Type.Array(identityKeyView, { description: 'In the order in which they sign.' }) }),
  },
}

/** `GET /api/identity-keys` */
export function identityKeysList(routing: Routing, { identityKeys }: { identityKeys: IdentityKeyOperations }): void {
  routing.get('/api/identity-keys', { schema, config: { scope: 'secrets:read' } }, async request => {
    callerOfWholeGateway(request)
    return { keys: identityKeys.list().map(viewIdentityKey) }
  })
}
