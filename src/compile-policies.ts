import type { Config } from '#config/schema.ts'
import { modelActions } from '#core/action.ts'
import type { KeyVocabulary } from '#keys/key-vocabulary.ts'
import { createDecide } from '#policy/cedar/engine.ts'
import { shippedPolicies } from '#policy/cedar/shipped-policies.ts'
import { shippedRoles, type Vocabulary } from '#policy/cedar/vocabulary.ts'
import type { Decide } from '#policy/decision.ts'

/** The shipped policies and the operator’s own, as the calls of one generation are decided by them. */
export function compilePolicies(number: number, config: Config): Decide {
  return createDecide([...shippedPolicies(), ...config.policySources], vocabularyOf(config), `generation-${number}`)
}

/** What keys may name. */
export function keyVocabularyOf(config: Config): KeyVocabulary {
  const { roles, actions } = vocabularyOf(config)
  return { roles, actions: [...new Set([...modelActions, ...actions])] }
}

/** What policies may speak of. */
function vocabularyOf({ policies, issuers, models, providers }: Config): Vocabulary {
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
