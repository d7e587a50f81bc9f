import Type from 'typebox'
import type { IssuerOperations } from '#admin/issuer-operations.ts'
import { issuerName, issuerView, viewIssuer } from '#admin/issuer-view.ts'
import type { Routing } from '#admin/routing.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'

const schema = {
  summary: 'Show an identity provider and its keys, by name',
  params: Type.Object({ name: issuerName }),
  response: { 200: Type.Object({ issuer: issuerView }) },
}

/** `GET /api/issuers/:name` */
export function issuersShow(routing: Routing, { issuers }: { issuers: IssuerOperations }): void {
  const config = { scope: 'issuers:read', problems: ['issuer.not_found'] } as const
  routing.get('/api/issuers/:name', { schema, config }, async request => {
    callerOfWholeGateway(request)
    return { issuer: viewIssuer(issuers.find(request.params.name)) }
  })
}
