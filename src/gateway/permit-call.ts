import type { Action } from '#core/action.ts'
import { authorizeService, type ServiceGrant } from '#policy/authorize.ts'
import type { Admitted } from '#policy/check-address.ts'
import { type Permitted, permit } from '#policy/permit.ts'
import { decideService, type Judged } from './decide-call.ts'
import type { Generation } from './generation.ts'
import type { DecisionRoute, ModelsRoute, OperationRoute, ServiceRoute } from './routes.ts'

/** Throws what `permit` does: of an upgrade also where the same request would be refused without it. */
export function permitCall(
  call: Judged,
  caller: Admitted,
  route: OperationRoute | ModelsRoute | ServiceRoute | DecisionRoute,
  { admissionOf }: Pick<Generation, 'admissionOf'>,
): Permitted {
  const look = ({ action }: { readonly action: Action }) => permit(caller, action, admissionOf(action), call)
  return 'plain' in route ? eachPart(call, route, look) : look(route)
}

/** Throws what `authorizeService` does: of an upgrade also where the same request would be refused without it. */
export function authorizeCall(
  call: Judged,
  caller: Permitted,
  route: ServiceRoute | DecisionRoute,
  generation: Pick<Generation, 'decide' | 'readsTags'>,
): ServiceGrant {
  return eachPart(call, route, part =>
    authorizeService(caller, part.service, part.operation, () => decideService(call, generation, caller, part)),
  )
}

/** Looks at all that a call to a service comes to. Where one part is refused, the event is about that one. */
function eachPart<R extends ServiceRoute | DecisionRoute, T>(call: Judged, route: R, look: (part: R) => T): T {
  if (route.plain !== null) {
    const { name, action } = route.plain
    const part = { ...route, id: action.id, action, operation: name, plain: null }
    call.route = part
    look(part)
    call.route = route
  }
  return look(route)
}
