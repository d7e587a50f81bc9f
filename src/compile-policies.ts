import type { Config } from '#config/schema.ts'
import { modelActions } from '#core/action.ts'
import { createDecide } from '#policy/cedar/engine.ts'
import { shippedPolicies } from '#policy/cedar/shipped-policies.ts'
import { shippedRoles, type Vocabulary } from '#policy/cedar/vocabulary.ts'
import type { Decide, PolicySource } from '#policy/decision.ts'

/** The shipped policies and the operator’s own, as the calls of one generation are decided by them. */
export function compilePolicies(name: string, config: Config): Decide {
  return createDecide(policySources(config), vocabularyOf(config), name)
}

export function policySources({ policySources }: Pick<Config, 'policySources'>): PolicySource[] {
  return [...shippedPolicies(), ...policySources]
}

/** What policies may speak of. */
export function vocabularyOf({ policies, issuers, models, providers }: Config): Vocabulary {
  const granted = Object.values(issuers).flatMap(({ grants }) => grants.flatMap(({ roles }) => roles))
  return {
    roles: [...new Set([...shippedRoles, ...policies.roles, ...granted])],
    actions: modelActions.filter(({ group }) => group !== 'models.list'),
    modelGroups: policies.modelGroups,
    models: Object.keys(models),
    providers: Object.keys(providers),
    services: [],
    issuers: Object.keys(issuers),
  }
}
