import type { ValidationError } from '@cedar-policy/cedar-wasm/nodejs'
import { isServed } from '#policy/served-models.ts'
import { checkActions } from './check-actions.ts'
import { checkNames } from './check-names.ts'
import { loadCedar } from './load-cedar.ts'
import { faultOf, lineOf, sayError } from './parse-policies.ts'
import type { Policy, PolicyFault } from './policy.ts'
import { makeSchema } from './schema.ts'
import type { Vocabulary } from './vocabulary.ts'

/**
 * What is wrong with policies that were parsed: names of nothing, types that do not fit, conditions that can never hold.
 * What the shipped ones are about need not be there.
 */
export function validatePolicies(policies: readonly Policy[], vocabulary: Vocabulary): PolicyFault[] {
  const own = policies.filter(({ shipped }) => !shipped)
  const named = own.map(policy => ({ policy, faults: faultsOfNames(policy, vocabulary) }))
  const sound = named.filter(({ faults }) => faults.length === 0).map(({ policy }) => policy)
  return [...named.flatMap(({ faults }) => faults), ...(sound.length === 0 ? [] : judge(sound, makeSchema(vocabulary)))]
}

function faultsOfNames(policy: Policy, vocabulary: Vocabulary): PolicyFault[] {
  const faults = checkNames(policy, vocabulary).map(({ name, message }) =>
    faultOf(policy, message, policy.line + linesBefore(policy.text, JSON.stringify(name))),
  )
  return faults.length > 0 ? faults : checkActions(policy, vocabulary).map(message => faultOf(policy, message))
}

/** Lines of a text before some words; 0 where they are written otherwise. */
function linesBefore(text: string, words: string): number {
  const at = text.indexOf(words)
  return at === -1 ? 0 : text.slice(0, at).split('\n').length - 1
}

/** By Cedar’s own validator. */
function judge(policies: readonly Policy[], schema: string): PolicyFault[] {
  const byId = new Map(policies.map(policy => [policy.id, policy]))
  const answer = loadCedar().validate({
    schema,
    policies: { staticPolicies: Object.fromEntries(policies.map(({ id, text }) => [id, text])) },
    validationSettings: { mode: 'strict' },
  })
  if (answer.type === 'failure') throw new Error(answer.errors.map(sayError).join('; '))
  const told = new Set(answer.validationErrors.map(({ policyId }) => policyId))
  // Of a policy with errors the warnings only say again that it cannot apply.
  const warnings = answer.validationWarnings.filter(({ policyId }) => !told.has(policyId)).filter(isNoMatterOfScript)
  // One place is wrong in the same way for each kind of caller and each action, and an impossible policy in two ways.
  const first = new Map<string, ValidationError>()
  for (const fault of answer.validationErrors.concat(warnings)) {
    const place = `${fault.policyId} ${fault.error.sourceLocations?.[0]?.start}`
    if (!first.has(place)) first.set(place, fault)
  }
  return [...first.values()].map(fault => faultOfError(fault, byId))
}

/** Names in other scripts than Latin are names: they are known to be of something here. */
function isNoMatterOfScript({ error }: ValidationError): boolean {
  return !/contains mixed scripts|contains the character|confusable/.test(error.message)
}

function faultOfError({ policyId, error }: ValidationError, byId: ReadonlyMap<string, Policy>): PolicyFault {
  const policy = byId.get(policyId) as Policy
  const line = lineOf(policy.text, error)
  return faultOf(policy, sayError(error), policy.line + (line ?? 1) - 1)
}

/** Groups and patterns of models in them that fit no model: a policy about them could never apply. */
export function findEmptyGroups({ modelGroups, models }: Vocabulary): EmptyGroup[] {
  return Object.entries(modelGroups).flatMap(([group, patterns]): EmptyGroup[] => {
    if (patterns.length === 0) return [{ group, pattern: null }]
    return patterns.filter(pattern => !isServed(pattern, models)).map(pattern => ({ group, pattern }))
  })
}

interface EmptyGroup {
  readonly group: string
  /** null = the group has none. */
  readonly pattern: string | null
}
