import type { Action } from '#core/action.ts'
import type { CallEvent } from '#core/events.ts'
import type { Principal } from '#core/principal.ts'
import type { CallContext, Decision, Resource } from '#policy/decision.ts'
import type { ModelTarget } from '#providers/catalog.ts'
import { requestFeatures } from '#providers/request-features.ts'
import type { Call } from './call.ts'
import type { Generation } from './generation.ts'
import type { Input } from './read-input.ts'
import type { DecisionRoute, OperationRoute, ServiceRoute } from './routes.ts'

/** What of a call is judged. */
export type Judged = Pick<Call, 'req' | 'source' | 'at' | 'route' | 'decided'>

/** What the policies say of a call to a model. */
export function decideModel(
  call: Call,
  generation: Pick<Generation, 'decide' | 'readsTags'>,
  caller: Principal,
  { action, format }: Pick<OperationRoute, 'action' | 'format'>,
  { json }: Pick<Input, 'json'>,
  target: ModelTarget,
): Decision {
  const features = () => requestFeatures(format, json, call.stream)
  return decideCall(call, generation, caller, action, resourceOf(target), { features })
}

/** What the policies say of a call to a service. */
export function decideService(
  call: Judged,
  generation: Pick<Generation, 'decide' | 'readsTags'>,
  caller: Principal,
  { action, service, below }: ServiceRoute | DecisionRoute,
): Decision {
  const resource = { kind: 'service', id: service.name, provider: null, test: service.test } as const
  const asked = { method: call.req.method ?? '', path: below || '/', features: () => [] }
  return decideCall(call, generation, caller, action, resource, asked)
}

/** A model as policies see it. */
export function resourceOf({ model, provider, test }: ModelTarget): Resource {
  return { kind: 'model', id: model, provider: provider.name, test }
}

/** What the policies say of a call. The call keeps for its event what they said and what they were told. */
function decideCall(
  call: Judged,
  { decide, readsTags }: Pick<Generation, 'decide' | 'readsTags'>,
  caller: Principal,
  action: Action,
  resource: Resource,
  { features, ...request }: Pick<CallContext, 'features' | 'method' | 'path'>,
): Decision {
  let found: readonly string[] | undefined
  const look = () => {
    found ??= features()
    return found
  }
  const decision = decide(caller, action, resource, { ...request, address: call.source, at: call.at, features: look })
  call.decided = { decision, features: found ?? null, tags: readsTags ? caller.tags : null }
  return decision
}

/** What a call keeps of its decision. */
export interface Decided {
  readonly decision: Decision
  /** null = no policy asked for them. */
  readonly features: readonly string[] | null
  readonly tags: Readonly<Record<string, string>> | null
}

const BY_DEFAULT = 'ostiary.models'
/** An error names values, which may be long. */
const MAX_ERROR = 512

/** What the event says of the decision: as little as it takes to take it again. */
export function decisionFacts({ decided, principal }: Call): Partial<CallEvent> {
  if (decided === null || principal === null) return {}
  const { decision, features, tags } = decided
  const { policies, error, shadow, allowed } = decision
  const isUsual = allowed && policies.length === 1 && policies[0] === BY_DEFAULT
  const { acr = null, authenticatedAt = null } = principal.token ?? {}
  const { scopes } = principal.ceilings
  const authorization = {
    ...(scopes !== null && { scopes: [...scopes] }),
    ...(acr !== null && { acr }),
    ...(authenticatedAt !== null && { authenticatedAt }),
    ...(features !== null && { features }),
    // None too: a replay must tell a key without metadata from a call of which nobody wrote it down.
    ...(tags !== null && principal.token === null && { tags }),
  }
  return {
    ...(!isUsual && { policies }),
    ...(error !== null && { policyError: error.slice(0, MAX_ERROR) }),
    ...(shadow !== null && { shadow }),
    ...(Object.keys(authorization).length > 0 && { authorization }),
  }
}
