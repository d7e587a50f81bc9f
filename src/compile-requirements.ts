import type { Config } from '#config/schema.ts'
import type { Action } from '#core/action.ts'
import type { Alternative, Requirement } from '#policy/check-requirements.ts'

type Written = Config['access']['operations'][string]['require']

const NONE: readonly Requirement[] = []

/** What callers must be for each action: what its operation asks, and what its service does. */
export function compileRequirements({ access, services }: Config): (action: Action) => readonly Requirement[] {
  const found = new Map<string, Requirement[]>()
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
