import type { Config } from '#config/schema.ts'
import type { Action } from '#core/action.ts'
import type { AddressLists } from '#core/address-lists.ts'
import { compileAccess } from '#core/compile-access.ts'
import { serviceActions } from '#core/service-actions.ts'
import type { Alternative, Requirement } from '#policy/check-requirements.ts'
import type { Admission } from '#policy/permit.ts'

type Written = Pick<Config['services'][string], 'allow' | 'deny' | 'require'>

const FREE: Admission = { allowsAddress: null, requirements: [] }

/** What each action asks of its callers: of models what `access.operations` says, of services what they and their operations do. */
export function compileAdmission({ access, services }: Config): (action: Action) => Admission {
  const found = new Map<string, Admission>()
  for (const [id, written] of Object.entries(access.operations)) found.set(id, compile(written))
  for (const [name, service] of Object.entries(services)) {
    for (const [operation, { id }] of serviceActions(name, service)) {
      const own = Object.hasOwn(service.operations, operation) ? service.operations[operation] : undefined
      found.set(id, own === undefined ? compile(service) : compile(service, own))
    }
  }
  return ({ id }) => found.get(id) ?? FREE
}

/** From where the public listener may be called at all; null = from anywhere. */
export function compileListenerAccess({ access }: Config): ((address: string) => boolean) | null {
  return compileAccess(listsOf(access))
}

/** All of them must hold. A requirement that names no alternative asks for nothing. */
function compile(...written: readonly Written[]): Admission {
  const requirements = written.map(({ require }) => require.map(compileAlternative))
  return {
    allowsAddress: compileAccess(...written.map(listsOf)),
    requirements: requirements.filter(({ length }): boolean => length > 0) satisfies Requirement[],
  }
}

function listsOf({ allow, deny }: Pick<Written, 'allow' | 'deny'>): AddressLists {
  return { allow: allow ?? null, deny }
}

function compileAlternative(written: Written['require'][number]): Alternative {
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
