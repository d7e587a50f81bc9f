import type { Action } from '#core/action.ts'
import type { Principal } from '#core/principal.ts'
import type { Decision } from '#policy/decision.ts'
import type { ModelTarget } from '#providers/catalog.ts'
import type { Call } from './call.ts'
import type { Generation } from './generation.ts'
import type { DecisionRoute, ServiceRoute } from './routes.ts'

const NO_FEATURES: readonly string[] = []

/** What the policies say of a call to a model; the call keeps it for its event. */
export function decideModel(
  call: Call,
  { decide }: Pick<Generation, 'decide'>,
  caller: Principal,
  action: Action,
  { model, provider, test }: ModelTarget,
): Decision {
  const resource = { kind: 'model', id: model, provider: provider.name, test } as const
  const context = { address: call.source, at: call.at, features: () => NO_FEATURES }
  call.decision = decide(caller, action, resource, context)
  return call.decision
}

/** The same of a call to a service. */
export function decideService(
  call: Call,
  { decide }: Pick<Generation, 'decide'>,
  caller: Principal,
  { action, service, below }: ServiceRoute | DecisionRoute,
): Decision {
  const resource = { kind: 'service', id: service.name, provider: null, test: service.test } as const
  const asked = { method: call.req.method ?? '', path: below || '/' }
  const context = { address: call.source, at: call.at, features: () => NO_FEATURES, ...asked }
  call.decision = decide(caller, action, resource, context)
  return call.decision
}
