import { isDeepStrictEqual } from 'node:util'
import type { Config } from '#config/schema.ts'
import { modelActions } from '#core/action.ts'
import { knownRoles } from '#core/roles.ts'
import { actionsOfServices } from '#core/service-actions.ts'
import type { KeyVocabulary } from '#keys/key-vocabulary.ts'
import { comparePolicies } from '#policy/cedar/compare-policies.ts'
import { createEngine, type Engine } from '#policy/cedar/engine.ts'
import { isCedarLoaded } from '#policy/cedar/load-cedar.ts'
import { parsePolicies } from '#policy/cedar/parse-policies.ts'
import { type Policy, type PolicyFault, showFault } from '#policy/cedar/policy.ts'
import { shippedPolicies } from '#policy/cedar/shipped-policies.ts'
import { validatePolicies } from '#policy/cedar/validate-policies.ts'
import type { Vocabulary } from '#policy/cedar/vocabulary.ts'
import { tagsRead } from '#policy/tags-read.ts'

/**
 * The shipped policies and the operator’s own, as the calls of one generation are decided by them. Compiled with the first
 * decision; at once in a thread that has decided before, so that a reload costs no call anything.
 */
export function compilePolicies(config: Config): Engine {
  let engine: Engine | undefined
  const open = (): Engine => {
    engine ??= createEngine(readPolicies(config), vocabularyOf(config))
    return engine
  }
  if (isCedarLoaded()) open()
  return {
    decide: (principal, action, resource, context) => open().decide(principal, action, resource, context),
    [Symbol.dispose]: () => engine?.[Symbol.dispose](),
  }
}

/** The shipped policies and the operator’s own. Throws where these cannot be read: they were checked before. */
export function readPolicies({ policySources }: Pick<Config, 'policySources'>): readonly Policy[] {
  const { policies, faults } = parsePolicies(policySources)
  if (faults.length > 0) throw new Error(faults.map(showFault).join('\n'))
  return [...shippedPolicies(), ...policies]
}

/** What is wrong with the operator’s own policies. Cedar is not loaded where there are none. */
export function findPolicyFaults(config: Config): readonly PolicyFault[] {
  if (config.policySources.length === 0) return []
  const { policies, faults } = parsePolicies(config.policySources)
  const broken = new Set(faults.map(({ policy }) => policy))
  const readable = policies.filter(({ id }) => !broken.has(id))
  return [...faults, ...validatePolicies(readable, vocabularyOf(config))]
}

/** What a reload changes of the operator’s own policies, one line each, what it loosens first. */
export function findPolicyChanges(before: Config, after: Config): string[] {
  if (isDeepStrictEqual(before.policySources, after.policySources)) return []
  const [old = [], anew = []] = [before, after].map(({ policySources }) => parsePolicies(policySources).policies)
  return comparePolicies(old, anew)
}

/** What keys may name. */
export function keyVocabularyOf(config: Config): KeyVocabulary {
  const { roles, actions } = vocabularyOf(config)
  return { roles, actions: [...new Set([...modelActions, ...actions])], tagsRead: tagsRead(config.policySources) }
}

/** What policies may speak of. */
export function vocabularyOf({ policies, issuers, models, providers, services, passthrough }: Config): Vocabulary {
  return {
    roles: knownRoles({ policies, issuers }),
    actions: [...modelActions.filter(({ group }) => group !== 'models.list'), ...actionsOfServices(services)],
    modelGroups: policies.modelGroups,
    models: [...Object.keys(models), ...(passthrough.length > 0 ? ['*'] : [])],
    providers: Object.keys(providers),
    services: Object.keys(services),
    issuers: Object.keys(issuers),
  }
}
