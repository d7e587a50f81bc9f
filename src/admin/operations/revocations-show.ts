import { oneRevocation, viewRevocation } from '#admin/revocation-view.ts'
import type { Routing } from '#admin/routing.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'
import type { Revocations } from '#issuers/revocation/revocations.ts'

const schema = oneRevocation('Show an entry of the revocation list')

/** `GET /api/revocations/:id` */
export function revocationsShow(routing: Routing, { revocations }: { revocations: Revocations }): void {
  const config = { scope: 'revocations:read', problems: ['revocation.not_found'] } as const
  routing.get('/api/revocations/:id', { schema, config }, async request => {
    callerOfWholeGateway(request)
    return { revocation: viewRevocation(await revocations.show(request.params.id)) }
  })
}
