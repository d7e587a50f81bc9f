import Type from 'typebox'
import { nextCursor, pageQuery, readPage } from '#admin/page.ts'
import { issuerName, revocationKind, revocationView, revokedValue, viewRevocation } from '#admin/revocation-view.ts'
import type { Routing } from '#admin/routing.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'
import type { Revocations } from '#issuers/revocation/revocations.ts'

const schema = {
  summary: 'List what refuses tokens of identity providers, newest first',
  querystring: Type.Object(
    {
      ...pageQuery('rev'),
      issuer: Type.Optional(issuerName),
      kind: Type.Optional(revocationKind),
      value: Type.Optional(revokedValue),
    },
    { additionalProperties: false },
  ),
  response: { 200: Type.Object({ revocations: Type.Array(revocationView), next: nextCursor }) },
}

/** `GET /api/revocations` */
export function revocationsList(routing: Routing, { revocations }: { revocations: Revocations }): void {
  routing.get('/api/revocations', { schema, config: { scope: 'revocations:read' } }, async request => {
    callerOfWholeGateway(request)
    const { issuer, kind, value } = request.query
    const { items, next } = await readPage(request.query, page => revocations.list({ ...page, issuer, kind, value }))
    return { revocations: items.map(viewRevocation), next }
  })
}
