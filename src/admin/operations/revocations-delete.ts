import { oneRevocation, viewRevocation } from '#admin/revocation-view.ts'
import type { Routing } from '#admin/routing.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'
import type { Revocations } from '#issuers/revocation/revocations.ts'

const schema = oneRevocation('Lift an entry of the revocation list: what it refused is good again')

/** `DELETE /api/revocations/:id` */
export function revocationsDelete(routing: Routing, { revocations }: { revocations: Revocations }): void {
  const config = { scope: 'revocations:write', problems: ['revocation.not_found'] } as const
  routing.delete('/api/revocations/:id', { schema, config }, async request => {
    const by = callerOfWholeGateway(request)
    return { revocation: viewRevocation(await revocations.delete(request.params.id, by)) }
  })
}
