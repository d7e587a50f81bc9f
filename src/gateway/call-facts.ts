import type { AdmittedEvent } from '#core/events.ts'
import type { Call } from './call.ts'

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
    principal: principal && {
      kind: principal.kind,
      id: principal.id,
      project: principal.project,
      environment: principal.environment,
    },
    model: call.model,
  }
}
