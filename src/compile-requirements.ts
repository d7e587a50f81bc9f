import type { Config } from '#config/schema.ts'
import type { Action } from '#core/action.ts'
import { serviceActions } from '#core/service-actions.ts'
import type { Alternative, Requirement } from '#policy/check-requirements.ts'

type Written = Config['services'][string]['require']

const NONE: readonly Requirement[] = []

/** What callers must be for an action: what its service asks, and what its operation does. */
export function compileRequirements({ services }: Config): (action: Action) => readonly Requirement[] {
  const found = new Map<string, Requirement[]>()
  for (const [name, service] of Object.entries(services)) {
    for (const [operation, { id }] of serviceActions(name, service)) {
      const own = Object.hasOwn(service.operations, operation) ? service.operations[operation]?.require : undefined
      found.set(
        id,
        [service.require, own ?? []].filter(({ length }) => length > 0).map(written => written.map(compileAlternative)),
      )
    }
  }
  return ({ id }) => found.get(id) ?? NONE
}

function compileAlternative(written: Written[number]): Alternative {
  const { kinds, issuers, roles, binding, acrValues, maxAgeSeconds } = written
  return {
    kinds: setOf(kinds),
    issuers: setOf(issuers),
    roles: setOf(roles),
    bindings: setOf(binding),
    acrValues,
    maxAgeSeconds,
  }
}

function setOf<T>(values: readonly T[]): ReadonlySet<T> | null {
  return values.length === 0 ? null : new Set(values)
}
