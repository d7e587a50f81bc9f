import type { AdmittedEvent } from '#core/events.ts'
import type { Principal } from '#core/principal.ts'
import type { Call } from './call.ts'
import type { DecisionRoute, ServiceRoute } from './routes.ts'

/** What both events of a call say alike: who asked for what, as far as it is known by now. */
export function factsOf(call: Call, worker: number): Omit<AdmittedEvent, 'type' | 'target' | 'credential'> {
  const { route, principal } = call
  return {
    id: call.id,
    at: call.at,
    worker,
    configGeneration: call.configGeneration,
    source: call.source,
    method: call.req.method ?? '',
    path: (route?.path ?? '').slice(0, 256),
    route: route?.id ?? null,
    principal: principal && principalOf(principal),
    model: call.model,
    ...((route?.serves === 'service' || route?.serves === 'decision') && { service: serviceOf(route) }),
    ...(call.asked !== null && { decidedFor: call.asked.proxy }),
  }
}

function serviceOf({ service, operation, below }: ServiceRoute | DecisionRoute): NonNullable<AdmittedEvent['service']> {
  return { name: service.name, operation, path: (below || '/').slice(0, 256) }
}

function principalOf({ kind, id, project, environment, token, roles, binding }: Principal): AdmittedEvent['principal'] {
  const facts = { kind, id, project, environment }
  if (token === null && binding === null && roles.length === 0) return facts
  return {
    ...facts,
    ...(token?.client != null && { client: token.client }),
    ...(token?.tokenId != null && { tokenId: token.tokenId }),
    ...(token?.session != null && { session: token.session }),
    ...(roles.length > 0 && { roles }),
    ...(binding !== null && { binding: binding.kind }),
  }
}
