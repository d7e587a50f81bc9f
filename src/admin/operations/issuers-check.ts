import Type from 'typebox'
import type { IssuerOperations } from '#admin/issuer-operations.ts'
import { issuerName, issuerReportView, viewReport } from '#admin/issuer-view.ts'
import type { Routing } from '#admin/routing.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'

const schema = {
  summary: 'Ask an identity provider anew, and say what is wrong or weak; changes nothing',
  params: Type.Object({ name: issuerName }),
  response: { 200: issuerReportView },
}

/** `POST /api/issuers/:name/check` */
export function issuersCheck(routing: Routing, { issuers }: { issuers: IssuerOperations }): void {
  const config = { scope: 'issuers:read', problems: ['issuer.not_found'] } as const
  routing.post('/api/issuers/:name/check', { schema, config }, async request => {
    callerOfWholeGateway(request)
    return viewReport(await issuers.check(request.params.name))
  })
}
