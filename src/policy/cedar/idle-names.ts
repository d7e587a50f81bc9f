import type { Policy } from './policy.ts'
import { readsOf } from './reads.ts'

/** Roles and groups of models that policies name, and so are about. */
export function namesUsed(policies: readonly Policy[]): { readonly roles: Set<string>; readonly groups: Set<string> } {
  const entities = policies.flatMap(({ json }) => readsOf(json).entities)
  const named = (type: string) => new Set(entities.filter(entity => entity.type === type).map(({ id }) => id))
  return { roles: named('Ostiary::Role'), groups: named('Ostiary::ModelGroup') }
}
