import Type from 'typebox'
import type { IssuerOperations } from '#admin/issuer-operations.ts'
import { issuerView, viewIssuer } from '#admin/issuer-view.ts'
import type { Routing } from '#admin/routing.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'

const schema = {
  summary: 'List the identity providers, and how their keys fare',
  response: { 200: Type.Object({ issuers: Type.Array(issuerView, { description: 'All, by name.' }) }) },
}

/** `GET /api/issuers` */
export function issuersList(routing: Routing, { issuers }: { issuers: IssuerOperations }): void {
  routing.get('/api/issuers', { schema, config: { scope: 'issuers:read' } }, async request => {
    callerOfWholeGateway(request)
    return { issuers: issuers.list().map(viewIssuer) }
  })
}
