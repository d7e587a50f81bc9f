import { Problem } from '#core/problems.ts'
import type { Route } from './routes.ts'

/** From where the public listener may be called, whoever calls. */
export interface Access {
  /** null = from anywhere. */
  readonly allows: ((address: string) => boolean) | null
  /** Beside it, by the id of the action. */
  readonly ofActions: ReadonlyMap<string, (address: string) => boolean>
}

/** Throws `request.client_address` where nobody knows who calls, `policy.address` where they may not from there. */
export function checkAccess(client: string | Problem, route: Route, { allows, ofActions }: Access): void {
  if (client instanceof Problem) throw client
  if (allows !== null && !allows(client)) throw DENIED
  if (ofActions.size === 0 || !('action' in route)) return
  const allowsAction = ofActions.get(route.action.id)
  if (allowsAction !== undefined && !allowsAction(client)) throw DENIED_HERE
}

// Made once: what a flood meets must cost little, and the answer is the same for all.
const DENIED = new Problem('policy.address', { reason: 'access' })
const DENIED_HERE = new Problem('policy.address', { reason: 'access_operation' })
